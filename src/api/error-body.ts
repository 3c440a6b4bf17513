import { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "../base/error-codes.ts";
import { MeshError } from "../base/errors.ts";

/** The body of every answer that is no success, on every HTTP API of ours. */
export const errorBodySchema = z.object({
  error: z.object({ code: z.string().max(64), message: z.string().max(4096), hint: z.string().max(4096) }),
});

/**
 * The error that another process reported, with its own code where this build knows it; a code of a later version
 * becomes `coordinator-refused` and stays readable in the message.
 */
export function meshErrorFromBody(error: z.infer<typeof errorBodySchema>["error"]): MeshError {
  if (isErrorCode(error.code)) return new MeshError(error.code, error.message, { hint: error.hint });
  return new MeshError("coordinator-refused", `${error.message} (${error.code})`, { hint: error.hint });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
