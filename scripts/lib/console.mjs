import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const colour = process.stdout.isTTY === true && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

/** A step begins. */
export const step = (text) => process.stderr.write(`${paint("1;36", "==>")} ${text}\n`);
/** A detail of the step under way. */
export const detail = (text) => process.stderr.write(`    ${text}\n`);
/** Something is less than it could be, and the work goes on. */
export const note = (text) => process.stderr.write(`${paint("33", "note:")} ${text}\n`);
/** The work cannot go on. */
export const problem = (text) => process.stderr.write(`${paint("31", "error:")} ${text}\n`);

/** A failure whose message says all that the reader needs: shown without a stack. */
export class ScriptError extends Error {
  name = "ScriptError";
}

/** Whether the module at `url` is the program, not an import of it. */
export function isMain(url) {
  const program = process.argv[1];
  return program !== undefined && realpathSync(program) === fileURLToPath(url);
}

/** Runs a script's `main`; a failure becomes one line on stderr and exit status 1. */
export async function runMain(main) {
  try {
    const status = await main();
    if (typeof status === "number") process.exitCode = status;
  } catch (error) {
    problem(error instanceof ScriptError ? error.message : (error?.stack ?? String(error)));
    process.exitCode = 1;
  }
}

/**
 * Rows as an aligned table; the first row is the heading.
 * @param {readonly (readonly string[])[]} rows
 */
export function formatTable(rows) {
  const widths = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const line = (row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join("\n");
}
