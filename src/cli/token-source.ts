import { readFile } from "node:fs/promises";
import { decodeJoinToken, type JoinToken } from "../api/join-token.ts";
import { errnoOf, MeshError } from "../base/errors.ts";

export interface TokenSources {
  /** `mesh join TOKEN`. */
  readonly argument: string | undefined;
  readonly flag: string | undefined;
  readonly file: string | undefined;
  readonly environment: string | undefined;
  readonly config: { readonly token: string | undefined; readonly tokenFile: string | undefined };
}

/**
 * The join token from wherever it was given, the most explicit place first.
 *
 * @throws MeshError `token-malformed`, `bad-usage` for two at once, `not-found` for a file that is not there
 */
export async function findToken(
  sources: TokenSources,
): Promise<{ readonly text: string; readonly fields: JoinToken } | undefined> {
  const given = [sources.argument, sources.flag, sources.file].filter((source) => source !== undefined);
  if (given.length > 1) {
    throw new MeshError("bad-usage", "the token is given twice", {
      hint: "Give it as TOKEN, --token or --token-file.",
    });
  }
  const text =
    sources.argument ??
    sources.flag ??
    (sources.file === undefined ? undefined : await readTokenFile(sources.file)) ??
    (sources.environment === "" ? undefined : sources.environment) ??
    sources.config.token ??
    (sources.config.tokenFile === undefined ? undefined : await readTokenFile(sources.config.tokenFile));
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  return { text: trimmed, fields: decodeJoinToken(trimmed) };
}

/** `-` reads standard input. */
async function readTokenFile(path: string): Promise<string> {
  try {
    return await readFile(path === "-" ? "/dev/stdin" : path, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") throw new MeshError("not-found", `there is no file ${path}`, { cause });
    throw new MeshError("bad-usage", `cannot read ${path}: ${errnoOf(cause) ?? cause}`, { cause });
  }
}
