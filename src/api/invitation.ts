import { parse, stringify } from "smol-toml";
import { z } from "zod";
import { MeshError } from "../base/errors.ts";
import { decodeJoinToken } from "./join-token.ts";
import { nameSchema } from "./primitives.ts";

/**
 * An invitation: a join token in a file, with what a person wants to know of it. TOML 1.0:
 *
 *     network = "mesh"
 *     peer = "bob"                        # left out where the name is the bearer's choice
 *     expires_at = 2026-12-05T17:53:36Z
 *     token = "mesh1_…"
 */
const invitationSchema = z.strictObject({
  network: nameSchema,
  peer: nameSchema.optional(),
  expires_at: z.date(),
  token: z.string().max(2048),
});

export interface Invitation {
  readonly network: string;
  /** Null where the name is the bearer's choice. */
  readonly peer: string | null;
  readonly expiresAt: Date;
  /** A join token as text. */
  readonly token: string;
}

const MAX_TEXT_BYTES = 16_384;

export function encodeInvitation({ network, peer, expiresAt, token }: Invitation): string {
  const fields = { network, ...(peer === null ? {} : { peer }), expires_at: expiresAt, token };
  return `# Lets one machine join; whoever holds this file is that machine:  mesh join --invite FILE\n${stringify(fields)}\n`;
}

/** @throws MeshError `invitation-malformed`, `token-malformed`; the messages never repeat the token */
export function decodeInvitation(text: string): Invitation {
  const malformed = (why: string) => new MeshError("invitation-malformed", `this is no invitation: ${why}`);
  if (text.length > MAX_TEXT_BYTES) throw malformed("it is too long");
  let fields: unknown;
  try {
    fields = parse(text);
  } catch {
    // The parser quotes the line at fault, which may be the one with the token.
    throw malformed("it is not TOML");
  }
  const parsed = invitationSchema.safeParse(fields);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw malformed(`${issue?.path.join(".") || "the file"}: ${issue?.message ?? "has a wrong shape"}`);
  }
  const { network, peer, expires_at: expiresAt, token } = parsed.data;
  if (decodeJoinToken(token).network !== network) throw malformed("its token is for another network");
  return { network, peer: peer ?? null, expiresAt, token };
}
