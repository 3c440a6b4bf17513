import type { MeshError } from "../base/errors.ts";

/** Whether `stream` is a terminal that may be given colours and redraws. */
export function isRich(stream: NodeJS.WriteStream): boolean {
  const noColor = process.env.NO_COLOR;
  return stream.isTTY === true && (noColor === undefined || noColor === "") && process.env.TERM !== "dumb";
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** One JSON document a line, for output that goes on. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** What went wrong, then what to do about it; both on stderr. */
export function printError(error: MeshError, { json }: { readonly json: boolean }): void {
  if (json) process.stderr.write(`${JSON.stringify(error.toBody())}\n`);
  else process.stderr.write(`mesh: ${error.message}\n${paint(`      ${error.hint}`, "dim", process.stderr)}\n`);
}

const SGR = { dim: "2", bold: "1", green: "32", yellow: "33", red: "31" } as const;

export function paint(text: string, style: keyof typeof SGR, stream: NodeJS.WriteStream = process.stdout): string {
  return isRich(stream) ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text;
}
