/**
 * What stands in a guide for a test to do, in the order of reading:
 *
 *     ```console
 *     alice# mesh ping bob -c 1
 *     10.86.64.2 (bob): 0.4 ms over udp 192.0.2.3:51820
 *     ```
 *
 * A prompt names the machine, and what follows up to the next prompt is what the command prints; nothing says nothing about
 * it. `…` stands for any text, on a line of its own for any lines. `# exit status 5` behind a command is part of the test,
 * other comments are the shell's to leave out. Comments of the page speak to the test alone:
 *
 *     <!-- file server:server.yaml -->          the next block is what this file says
 *     <!-- copy server:bob.toml bob -->         a file is carried to another machine
 *     <!-- stage: bob's network drops UDP -->   something happens that no command on the page does
 */
export type GuideStep = CommandStep | FileStep | CopyStep | StageStep;

export interface CommandStep {
  readonly kind: "command";
  /** In the page, from 1. */
  readonly line: number;
  readonly machine: string;
  readonly command: string;
  readonly exitStatus: number;
  readonly shown: readonly string[];
}
interface FileStep {
  readonly kind: "file";
  readonly line: number;
  readonly machine: string;
  readonly path: string;
  readonly text: string;
}
interface CopyStep {
  readonly kind: "copy";
  readonly line: number;
  readonly machine: string;
  readonly path: string;
  readonly to: string;
}
interface StageStep {
  readonly kind: "stage";
  readonly line: number;
  readonly what: string;
}

const FENCE = /^```(\S*)$/;
const PROMPT = /^([a-z][a-z0-9-]*)[#$] (.+)$/;
const EXIT_STATUS = /\s+# exit status (\d+)$/;
/** Blocks that nobody types. */
const PICTURES = ["text", "mermaid", "json", "yaml", "toml", "nginx"];

/** @throws Error for a block that no test could do anything with, so that none stands in a guide without being tried */
export function parseGuide(markdown: string): GuideStep[] {
  const lines = markdown.split("\n");
  const steps: GuideStep[] = [];
  let file: Omit<FileStep, "text" | "line"> | undefined;
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at]!;
    const line = at + 1;
    const [, action, machine = "", path = "", to = ""] =
      /^<!-- (file|copy) ([a-z0-9-]+):(\S+)(?: ([a-z0-9-]+))? -->$/.exec(text) ?? [];
    const [, what] = /^<!-- stage: (.+) -->$/.exec(text) ?? [];
    if (action === "file") file = { kind: "file", machine, path };
    else if (action === "copy") steps.push({ kind: "copy", line, machine, path, to });
    else if (what !== undefined) steps.push({ kind: "stage", line, what });
    else if (text.startsWith("<!--")) throw new Error(`line ${line}: ${text}`);
    const [, language] = FENCE.exec(text) ?? [];
    if (language === undefined) continue;
    const end = lines.indexOf("```", at + 1);
    const block = lines.slice(at + 1, end);
    at = end;
    if (file !== undefined) steps.push({ ...file, line, text: `${block.join("\n")}\n` });
    else if (language === "console") steps.push(...commandsIn(block, line + 1));
    else if (!PICTURES.includes(language)) throw new Error(`line ${line}: \`\`\`${language}`);
    file = undefined;
  }
  return steps;
}

function commandsIn(block: readonly string[], firstLine: number): CommandStep[] {
  const steps: (CommandStep & { shown: string[] })[] = [];
  for (const [i, text] of block.entries()) {
    const [, machine, typed = ""] = PROMPT.exec(text) ?? [];
    const last = steps.at(-1);
    if (machine !== undefined) {
      const exitStatus = Number(EXIT_STATUS.exec(typed)?.[1] ?? 0);
      const command = typed.replace(EXIT_STATUS, "");
      const step = { kind: "command", line: firstLine + i, machine, command, exitStatus } as const;
      steps.push({ ...step, shown: [] });
    } else if (last === undefined) throw new Error(`line ${firstLine + i}: no prompt before ${text}`);
    else last.shown.push(text);
  }
  return steps;
}
