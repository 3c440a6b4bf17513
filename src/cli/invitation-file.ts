import type { TokenCreated } from "../api/admin.ts";
import { encodeInvitation } from "../api/invitation.ts";
import { decodeJoinToken } from "../api/join-token.ts";
import { writeNewFile } from "./new-file.ts";

/**
 * Makes a token and writes it as an invitation, mode 0600. The file comes first: where it cannot be, no token is made.
 * @throws MeshError `file-exists`, `not-permitted`, `bad-usage`, and what `make` throws; no file is left then
 */
export function writeInvitation(path: string, make: () => Promise<TokenCreated>): Promise<TokenCreated> {
  return writeNewFile(path, async (write) => {
    const created = await make();
    await write(invitationText(created));
    return created;
  });
}

export function invitationText({ name, token, expiresAt }: TokenCreated): string {
  const { network } = decodeJoinToken(token);
  return encodeInvitation({ network, peer: name, expiresAt: new Date(expiresAt), token });
}
