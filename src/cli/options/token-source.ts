import { readFile } from "node:fs/promises";
import { decodeJoinToken, type JoinToken } from "../../api/join-token.ts";
import { errnoOf, MeshError } from "../../base/errors.ts";

export interface TokenSources {
  /** `mesh join TOKEN`. */
  readonly argument: string | undefined;
  readonly flag: string | undefined;
  readonly file: string | undefined;
  readonly environment: string | undefined;
  /** An invitation, see `src/api/invitation.ts`. */
  readonly invite?: string | undefined;
  readonly config: {
    readonly token: string | undefined;
    readonly tokenFile: string | undefined;
    readonly inviteFile?: string | undefined;
  };
}

export interface FoundToken {
  readonly text: string;
  readonly fields: JoinToken;
  /** The name that an invitation gives its bearer. */
  readonly peer: string | undefined;
}

/**
 * The join token from wherever it was given, the most explicit place first.
 *
 * @throws MeshError `token-malformed`, `invitation-malformed`, `bad-usage` for two at once, `not-found` for a file that is
 *   not there
 */
export async function findToken(sources: TokenSources): Promise<FoundToken | undefined> {
  const given = [sources.argument, sources.flag, sources.file, sources.invite].filter((source) => source !== undefined);
  if (given.length > 1) {
    throw new MeshError("bad-usage", "the token is given twice", {
      hint: "Give it as TOKEN, --token, --token-file or --invite.",
    });
  }
  if (sources.invite !== undefined) return readInvitation(sources.invite);
  const text =
    sources.argument ??
    sources.flag ??
    (sources.file === undefined ? undefined : await readTokenFile(sources.file)) ??
    (sources.environment === "" ? undefined : sources.environment) ??
    sources.config.token ??
    (sources.config.tokenFile === undefined ? undefined : await readTokenFile(sources.config.tokenFile));
  if (text !== undefined) return tokenOf(text, undefined);
  return sources.config.inviteFile === undefined ? undefined : readInvitation(sources.config.inviteFile);
}

async function readInvitation(path: string): Promise<FoundToken> {
  const { decodeInvitation } = await import("../../api/invitation.ts");
  const { token, peer } = decodeInvitation(await readTokenFile(path));
  return tokenOf(token, peer ?? undefined);
}

function tokenOf(text: string, peer: string | undefined): FoundToken {
  const trimmed = text.trim();
  return { text: trimmed, fields: decodeJoinToken(trimmed), peer };
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
