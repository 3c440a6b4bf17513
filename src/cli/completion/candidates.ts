import type { Argument, Command, Option } from "commander";

/** What may stand where the cursor is. */
export interface Candidate {
  readonly value: string;
  readonly description: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Names of files may stand there as well. */
  readonly takesFiles: boolean;
}

/** Words that only a running network knows: what a placeholder in the usage, such as `peer` of `ping <peer>`, stands for. */
export type NamesOf = (placeholder: string) => Promise<readonly string[]>;

const FILES = new Set(["file", "dir", "path"]);

/**
 * Completes a command line by the definitions of the commands.
 * @param words after the program's name; the last is the one that is being written, and may be empty
 */
export async function complete(program: Command, words: readonly string[], namesOf: NamesOf): Promise<Completion> {
  const whole = joinValues(words);
  const partial = whole.pop() ?? "";
  const { command, option, position } = walk(program, whole);
  if (option !== undefined) return values(option, partial, namesOf);
  const [flag, text] = splitFlag(partial);
  if (text !== undefined) {
    const known = optionOf(command, flag);
    return known === undefined ? NOTHING : values(known, text, namesOf, `${flag}=`);
  }
  if (partial.startsWith("-")) return starting(partial, optionsOf(command).flatMap(flagsOf));
  const argument = command.registeredArguments[position] ?? variadic(command);
  const own = argument === undefined ? NOTHING : await values(argument, partial, namesOf);
  // A command's own words come first: `mesh relay` takes options, and has commands below it.
  const below = position > 0 ? [] : command.commands.filter((one) => !isHidden(one)).map(asCandidate);
  return { ...own, candidates: [...starting(partial, below).candidates, ...own.candidates] };
}

const NOTHING: Completion = { candidates: [], takesFiles: false };

/** bash makes words of their own of `=` and what is around it. */
function joinValues(words: readonly string[]): string[] {
  const whole: string[] = [];
  let isOpen = false;
  for (const word of words) {
    const former: string | undefined = whole.at(-1);
    const joins: boolean = isOpen || (word === "=" && former?.startsWith("--") === true);
    if (joins) whole[whole.length - 1] = `${former}${word}`;
    else whole.push(word);
    isOpen = joins && word === "=";
  }
  return whole;
}

interface Place {
  readonly command: Command;
  /** Whose value is being written. */
  readonly option: Option | undefined;
  /** Which of the command's arguments. */
  readonly position: number;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let position = 0;
  let awaited: Option | undefined;
  for (const word of words) {
    if (awaited !== undefined) {
      awaited = undefined;
      continue;
    }
    if (word.startsWith("-") && word !== "-") {
      const option = word.includes("=") ? undefined : optionOf(command, word);
      if (option?.required === true) awaited = option;
      continue;
    }
    const below = position > 0 ? undefined : command.commands.find((one) => one.name() === word);
    if (below === undefined) position++;
    else command = below;
  }
  return { command, option: awaited, position };
}

/** Those of the commands above it too: they may be given anywhere. */
function optionsOf(command: Command): Option[] {
  const above = command.parent === null ? [] : optionsOf(command.parent).filter(({ long }) => long !== "--version");
  return [...command.options.filter(({ hidden }) => !hidden), ...above];
}

function optionOf(command: Command, flag: string): Option | undefined {
  return optionsOf(command).find(({ long, short }) => flag === long || flag === short);
}

function flagsOf({ long, short, description }: Option): Candidate[] {
  const value = long ?? short;
  return value === undefined ? [] : [{ value, description }];
}

function splitFlag(word: string): [string, string | undefined] {
  const end = word.indexOf("=");
  return word.startsWith("--") && end > 0 ? [word.slice(0, end), word.slice(end + 1)] : [word, undefined];
}

async function values(of: Option | Argument, partial: string, namesOf: NamesOf, prefix = ""): Promise<Completion> {
  const placeholder = placeholderOf(of);
  const words = of.argChoices ?? choicesIn(placeholder) ?? (await namesOf(placeholder));
  const candidates = words.map((word) => ({ value: `${prefix}${word}`, description: "" }));
  return { ...starting(`${prefix}${partial}`, candidates), takesFiles: FILES.has(placeholder) };
}

/** `peer` of `--exit-node <peer>` and of `<peer...>`. */
function placeholderOf(of: Option | Argument): string {
  return "flags" in of ? (/[<[]([^>\].]+)/.exec(of.flags)?.[1] ?? "") : of.name();
}

/** `on|off` stands for itself. */
function choicesIn(placeholder: string): string[] | undefined {
  return placeholder.includes("|") ? placeholder.split("|").filter((word) => /^[a-z0-9-]+$/.test(word)) : undefined;
}

function variadic({ registeredArguments }: Command): Argument | undefined {
  const last = registeredArguments.at(-1);
  return last?.variadic === true ? last : undefined;
}

function asCandidate(command: Command): Candidate {
  return { value: command.name(), description: command.summary() || command.description() };
}

/** By commander's own word for it. */
export function isHidden(command: Command): boolean {
  return Reflect.get(command, "_hidden") === true;
}

function starting(partial: string, candidates: readonly Candidate[]): Completion {
  return { candidates: candidates.filter(({ value }) => value.startsWith(partial)), takesFiles: false };
}
