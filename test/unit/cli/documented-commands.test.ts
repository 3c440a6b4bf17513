import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { buildProgram } from "../../../src/cli/program.ts";
import { type ShownCommand, shownCommands, spellings } from "../../support/guides/shown-commands.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
/** Written from the definitions themselves. */
const GENERATED = ["cli.md"];

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md") && !GENERATED.includes(path))
    .map((path) => `docs/${path}`),
].sort();

/** The real commands, that do nothing once they have understood. */
function idleProgram(): Command {
  const silence = (command: Command): void => {
    command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
    // commander does not say otherwise which commands do something themselves, and which only have others below them.
    if ("_actionHandler" in command && command._actionHandler !== null) command.action(() => {});
    command.commands.forEach(silence);
  };
  const program = buildProgram({ status: 0 });
  silence(program);
  return program;
}

function isNameOfOne(words: readonly string[]): boolean {
  let command: Command | undefined = idleProgram();
  for (const word of words) command = command?.commands.find((below) => below.name() === word);
  return command !== undefined;
}

/** What text may leave out that names a command, or an option, and no more. */
const LEFT_OUT = ["commander.optionMissingArgument", "commander.missingArgument"];

/** @returns what is wrong, or undefined */
function fault(words: readonly string[], isMention = false): string | undefined {
  try {
    idleProgram().parse(words, { from: "user" });
    return undefined;
  } catch (failure) {
    if (!(failure instanceof Error)) throw failure;
    const code = failure instanceof CommanderError ? failure.code : "";
    const isRight = code === "commander.helpDisplayed" || (isMention && LEFT_OUT.includes(code));
    return isRight ? undefined : failure.message;
  }
}

describe.each(pages)("%s", (page) => {
  const shown = shownCommands(readFileSync(join(ROOT, page), "utf8"));
  it(`has ${shown.length} commands of mesh, which are understood as they stand there`, () => {
    const faults = shown.flatMap(({ line, text, isMention }: ShownCommand) =>
      spellings(text).flatMap((words) => {
        if (isMention && isNameOfOne(words)) return [];
        const wrong = fault(words, isMention);
        return wrong === undefined ? [] : [`line ${line}: mesh ${words.join(" ")}: ${wrong}`];
      }),
    );
    expect(faults).toEqual([]);
  });
});

it("commands are found where they stand", () => {
  const page = [
    "Say `mesh peer rename A B`, or `mesh up`; not `mesh0` or `the mesh`.",
    "    mesh invite create --name bob        on an admin's machine",
    "```console",
    "alice# mesh ping bob   # until an answer comes",
    "mesh is not a command here",
    "```",
    "```",
    "mesh exit use bob        mesh exit offer on|off        key: true",
    "```",
  ].join("\n");
  expect(shownCommands(page).map(({ line, text }) => [line, text])).toEqual([
    [1, "peer rename A B"],
    [1, "up"],
    [2, "invite create --name bob"],
    [4, "ping bob"],
    [8, "exit use bob"],
    [8, "exit offer on|off"],
  ]);
  expect(spellings('filter add [--ttl T] --comment "a b" tcp|udp N P…')).toEqual([
    ["filter", "add", "--comment", "a b", "tcp", "1", "P"],
    ["filter", "add", "--comment", "a b", "udp", "1", "P"],
    ["filter", "add", "--ttl", "T", "--comment", "a b", "tcp", "1", "P"],
    ["filter", "add", "--ttl", "T", "--comment", "a b", "udp", "1", "P"],
  ]);
  expect(fault(["ping", "bob", "--untill-direct"])).toMatch(/unknown option/);
});
