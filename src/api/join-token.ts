import { z } from "zod";
import { MeshError } from "../base/errors.ts";
import { nameSchema, sha256HexSchema } from "./primitives.ts";

/**
 * A join token as text: `mesh1_` and base64url of a JSON object. It tells where the coordinator is and which CA it
 * answers with, so that joining needs neither a public certificate nor trust on first use. Only `secret` is secret; the
 * coordinator keeps nothing but its hash.
 */
export const joinTokenSchema = z.object({
  /** Token id, 128 bits in hex: what `token list` and `token revoke` speak of. */
  i: z.string().regex(/^[0-9a-f]{32}$/),
  /** 256 bits, base64url. */
  s: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  /** Coordinator URLs, tried in order. */
  u: z.array(z.url().max(256)).min(1).max(8),
  /** SHA-256 of the CA certificate's DER in hex; left out when a publicly trusted certificate is in use. */
  f: sha256HexSchema.optional(),
  /** Network name. */
  n: nameSchema,
});

export interface JoinToken {
  readonly id: string;
  readonly secret: string;
  readonly urls: readonly string[];
  readonly caFingerprint: string | undefined;
  readonly network: string;
}

const PREFIX = "mesh1_";

export function encodeJoinToken(token: JoinToken): string {
  const fields = { i: token.id, s: token.secret, u: token.urls, f: token.caFingerprint, n: token.network };
  return PREFIX + Buffer.from(JSON.stringify(fields)).toString("base64url");
}

/** @throws MeshError `token-malformed`; the message never repeats the token. */
export function decodeJoinToken(text: string): JoinToken {
  const trimmed = text.trim();
  const malformed = (why: string) => new MeshError("token-malformed", `this is not a join token: ${why}`);
  if (!trimmed.startsWith(PREFIX)) throw malformed(`it does not start with ${PREFIX}`);
  if (trimmed.length > 2048) throw malformed("it is too long");
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(trimmed.slice(PREFIX.length), "base64url").toString("utf8"));
  } catch {
    throw malformed("it is cut short or mistyped");
  }
  const parsed = joinTokenSchema.safeParse(fields);
  if (!parsed.success) throw malformed("it is cut short or mistyped");
  const { i, s, u, f, n } = parsed.data;
  return { id: i, secret: s, urls: u, caFingerprint: f, network: n };
}
