import type { ErrorCode } from "./error-codes.ts";
import { MeshError } from "./errors.ts";

/** A line of somebody's file, from 1, and what is wrong with it. */
export interface BadLine {
  readonly line: number;
  readonly problem: string;
}

const NAMED_LINES = 10;

/** The error that names the first of them. */
export function badLines(code: ErrorCode, bad: readonly BadLine[]): MeshError {
  const lines = bad.toSorted((a, b) => a.line - b.line).map(({ line, problem }) => `line ${line}: ${problem}`);
  const rest = lines.length > NAMED_LINES ? `; and ${lines.length - NAMED_LINES} more` : "";
  return new MeshError(code, `${lines.slice(0, NAMED_LINES).join("; ")}${rest}`);
}
