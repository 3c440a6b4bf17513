import { open } from "node:fs/promises";
import { errnoOf } from "../../base/errors.ts";
import { LOG_LEVEL_NAMES, LOG_LEVELS } from "../../base/log-levels.ts";
import type { Redactor } from "../../base/redactor.ts";

const MAX_BYTES = 512 * 1024;
const PRETTY = new RegExp(`^(\\d{4}-\\S+Z) (${LOG_LEVEL_NAMES.join("|")}) +(.*)$`);

/**
 * The latest lines of what a detached daemon has logged into a file; undefined where none did. A secret may stand on several
 * lines: it is hidden before they are parted.
 */
export async function readLogFile(path: string, redactor: Redactor): Promise<string[] | undefined> {
  try {
    return redactor
      .redact(await tailOf(path))
      .split("\n")
      .filter((line) => line !== "");
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    throw failure;
  }
}

/** A line of the log, in either of its formats; what is none, such as a crash's last words, is all message and no level. */
export function logEntryOf(line: string): { readonly level?: number; readonly msg?: string } {
  const [, time, level, msg = ""] = PRETTY.exec(line) ?? [];
  const name = LOG_LEVEL_NAMES.find((one) => one === level);
  if (name !== undefined) return { level: LOG_LEVELS[name], ...{ time }, msg };
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === "object" && entry !== null) return entry;
  } catch {
    // No JSON: as it stands.
  }
  return { msg: line };
}

/** The end of a file that may be large, from the begin of a line. */
async function tailOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - MAX_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    const text = buffer.toString("utf8", 0, bytesRead);
    return from === 0 ? text : text.slice(text.indexOf("\n") + 1);
  } finally {
    await file.close();
  }
}
