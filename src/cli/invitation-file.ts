import { open, unlink } from "node:fs/promises";
import type { TokenCreated } from "../api/admin.ts";
import { encodeInvitation } from "../api/invitation.ts";
import { decodeJoinToken } from "../api/join-token.ts";
import { errnoOf, MeshError } from "../base/errors.ts";

/**
 * Makes a token and writes it as an invitation, mode 0600. The file comes first: where it cannot be, no token is made.
 * @throws MeshError `file-exists`, `not-permitted`, `bad-usage`, and what `make` throws; no file is left then
 */
export async function writeInvitation(path: string, make: () => Promise<TokenCreated>): Promise<TokenCreated> {
  const file = await openNew(path);
  try {
    const created = await make();
    await file.writeFile(invitationText(created));
    await file.sync();
    return created;
  } catch (failure) {
    // The failure is the one to report, not that of tidying up after it.
    await unlink(path).catch(() => undefined);
    throw failure;
  } finally {
    await file.close();
  }
}

export function invitationText({ name, token, expiresAt }: TokenCreated): string {
  const { network } = decodeJoinToken(token);
  return encodeInvitation({ network, peer: name, expiresAt: new Date(expiresAt), token });
}

async function openNew(path: string) {
  try {
    return await open(path, "wx", 0o600);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "EEXIST") throw new MeshError("file-exists", `${path} is there already`, { cause });
    if (errno === "EACCES" || errno === "EPERM" || errno === "EROFS") {
      throw new MeshError("not-permitted", `${path} cannot be made (${errno})`, { cause });
    }
    throw new MeshError("bad-usage", `${path} cannot be made (${errno ?? cause})`, { cause });
  }
}
