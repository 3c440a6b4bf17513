import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

/** What a process answers to its caller; the numbers are a promise to scripts. */
export const ExitStatus = {
  done: 0,
  failed: 1,
  usage: 2,
  noDaemon: 3,
  notPermitted: 4,
  notFound: 5,
  conflict: 6,
  timedOut: 7,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** The one shape in which an error crosses a process boundary. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

/**
 * Every failure that a user or a caller can meet. `code` is stable and documented in `docs/errors.md`; `message` says
 * what went wrong in one line, `hint` what to do about it.
 */
export class MeshError extends Error {
  override readonly name = "MeshError";
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? ERROR_CODES[code].hint;
  }

  get exitStatus(): ExitStatus {
    return ERROR_CODES[this.code].exit;
  }

  toBody(): ErrorBody {
    return { error: { code: this.code, message: this.message, hint: this.hint } };
  }
}

/** Any thrown value as a `MeshError`; what is not one of ours becomes `internal`. */
export function asMeshError(thrown: unknown): MeshError {
  if (thrown instanceof MeshError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new MeshError("internal", message, { cause: thrown });
}

/** The `errno` name (`"EADDRINUSE"`) of a system error, or undefined for anything else. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
