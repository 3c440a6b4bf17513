import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { type CommandReference, commandTree } from "../../../scripts/lib/reference/command-tree.mjs";
import { referenceFiles } from "../../../scripts/lib/reference/reference-files.mjs";
import { buildProgram } from "../../../src/cli/program.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const program = buildProgram({ status: 0 });
const files = referenceFiles(program);

const everyCommand = (command: CommandReference): CommandReference[] => [
  command,
  ...command.commands.flatMap(everyCommand),
];

describe("docs/cli.md and the manual pages", () => {
  it("are those of the commands as they are: `npm run docs` writes them", () => {
    for (const [path, text] of files) expect(readFileSync(join(ROOT, path), "utf8"), path).toBe(text);
    const pages = [...files.keys()].filter((path) => path.startsWith("man/")).map((path) => path.slice(4));
    expect(readdirSync(join(ROOT, "man")).sort()).toEqual(pages.sort());
  });

  it("say of every command and option what it does", () => {
    const commands = everyCommand(commandTree(program));
    expect(commands.length).toBeGreaterThan(60);
    for (const { name, description, options } of commands) {
      expect(description, name).not.toBe("");
      for (const option of options) expect(option.description, `${name} ${option.flags}`).not.toBe("");
    }
  });

  it("are manual pages to groff, which warns of nothing", () => {
    for (const [path, text] of files) {
      if (!path.startsWith("man/")) continue;
      const { status, stderr } = spawnSync("groff", ["-Kutf8", "-man", "-ww", "-z", "-Tutf8"], {
        input: text,
        encoding: "utf8",
      });
      expect([status, stderr], path).toEqual([0, ""]);
    }
  });
});

describe("--help", () => {
  const helpOf = (command: typeof program): string[] => [
    command.helpInformation(),
    ...command.commands.flatMap((below) => helpOf(below)),
  ];

  it("fits in 80 columns", () => {
    const lines = helpOf(program).flatMap((text) => text.split("\n"));
    expect(lines.length).toBeGreaterThan(300);
    // A command line that does not break is shown whole.
    expect(lines.filter((line) => line.length > 80 && !line.startsWith("Usage: "))).toEqual([]);
  });

  it("groups the commands", () => {
    const headings = program.helpInformation().match(/^\S.*:$/gm);
    expect(headings).toEqual([
      "Options:",
      "This machine in a network:",
      "Peers and paths:",
      "Traffic and names:",
      "The network, for admins:",
      "Coordinator and relays:",
      "The program:",
    ]);
  });
});
