/** A command of ours that a page shows. */
export interface ShownCommand {
  /** In the page, from 1. */
  readonly line: number;
  /** What stands after `mesh`, without a comment. */
  readonly text: string;
  /** In running text, where a command may be named without what it takes. */
  readonly isMention: boolean;
}

const FENCE = /^```(\S*)/;
/** A prompt, or the beginning of a line where there are no prompts. */
const TYPED = /^(?:[a-z][a-z0-9-]*)?[#$] (.*)$/;
/** What follows is another command, or tells the reader something. */
const END = /\s+#.*$|\s{2,}.*$|\s*(?:&&|;|>|\| ).*$/;

/** @param markdown a page of documentation */
export function shownCommands(markdown: string): ShownCommand[] {
  const shown: ShownCommand[] = [];
  let fence: string | undefined;
  for (const [i, text] of markdown.split("\n").entries()) {
    const found = (part: string, isMention = false) => {
      const command = /^mesh (?=\S)(.*)$/.exec(part)?.[1]?.replace(END, "");
      if (command !== undefined) shown.push({ line: i + 1, text: command, isMention });
    };
    const [, language] = FENCE.exec(text) ?? [];
    if (language !== undefined) fence = fence === undefined ? language : undefined;
    else if (fence === "console") for (const part of partsOf(TYPED.exec(text)?.[1] ?? "")) found(part);
    else if (fence === "" || (fence === undefined && text.startsWith("    ")))
      for (const part of partsOf(text.trim())) found(part);
    else if (fence === undefined)
      for (const [, span] of text.replaceAll("\\|", "|").matchAll(/`([^`]+)`/g)) found(span!, true);
  }
  return shown;
}

/** Several commands in one line. */
function partsOf(line: string): string[] {
  return line.split(/\s{2,}|\s+&&\s+|;\s+/);
}

/**
 * The command lines that a short form stands for: `[…]` with and without, `a|b` as each of them, `…` for more of the same, N
 * for a number.
 * @returns words, as a shell makes them
 */
export function spellings(text: string): string[][] {
  const [whole, before = "", inside = "", after = ""] = /^(.*?)\[([^[\]]*)\](.*)$/.exec(text) ?? [];
  if (whole !== undefined) return [...spellings(`${before}${after}`), ...spellings(`${before}${inside}${after}`)];
  const words = [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, plain]) =>
    plain === undefined ? [(double ?? single)!] : plain.replace(/…$/, "").replace(/^N$/, "1").split("|"),
  );
  return words
    .filter((choices) => choices[0] !== "")
    .reduce<string[][]>((lines, choices) => lines.flatMap((line) => choices.map((word) => [...line, word])), [[]]);
}
