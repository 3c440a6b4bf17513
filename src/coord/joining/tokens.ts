import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Token, TokenCreate, TokenCreated } from "../../api/admin.ts";
import { decodeJoinToken, encodeJoinToken } from "../../api/join-token.ts";
import { MeshError } from "../../base/errors.ts";
import { canonicalAddress } from "../../packet/address.ts";
import { allocateAddress, chooseAddress, releaseAddresses } from "../addresses/allocation.ts";
import { type Actor, recordEvent } from "../store/audit.ts";
import type { CidrRow, TokenRow } from "../store/schema.ts";
import type { Reader, Writer } from "../store/store.ts";

/** What every join token of this coordinator says beside its own secret. */
export interface TokenAddressing {
  readonly network: string;
  readonly urls: readonly string[];
  readonly caFingerprint: string | undefined;
}

interface Issuer {
  readonly addressing: TokenAddressing;
  readonly actor: Actor;
}

/**
 * @throws MeshError `not-found` (CIDR), `bad-request` (not a leaf), `bad-address`, `address-taken`, `cidr-full`;
 *   `name-taken` for the name of a peer or of one that is invited
 */
export async function createToken(
  writer: Writer,
  request: TokenCreate,
  issuer: Issuer,
  nowMs: number,
): Promise<TokenCreated> {
  const { name, relay } = request;
  if (name !== undefined && !relay) {
    const peer = await writer.db.selectFrom("peers").select("id").where("name", "=", name).executeTakeFirst();
    if (peer !== undefined) throw new MeshError("name-taken", `there is a peer named ${name} already`);
    if (await isNameReserved(writer, name, "", nowMs)) {
      throw new MeshError("name-taken", `${name} is invited already`, {
        hint: `\`mesh invite reissue ${name}\` makes another token in its place, \`mesh peer delete ${name}\` withdraws it.`,
      });
    }
  }
  return issueToken(writer, request, issuer, nowMs);
}

/** The token without a look at its name; otherwise as `createToken`. */
export async function issueToken(
  writer: Writer,
  request: TokenCreate,
  { addressing, actor }: Issuer,
  nowMs: number,
): Promise<TokenCreated> {
  const { db } = writer;
  const cidr = await findLeaf(writer, request.cidr);
  const reserves = request.ip4 !== undefined || request.autoIp;
  if (request.ip4 !== undefined && request.autoIp) {
    throw new MeshError("bad-request", "give an address, or have one chosen");
  }
  // A bound address can be had once only, so such a token serves once.
  if (reserves && request.uses !== 1) {
    throw new MeshError("bad-request", "a token bound to an address has exactly one use");
  }
  if (request.relay && reserves) {
    throw new MeshError("bad-request", "a relay has no address in the mesh that a token could be bound to");
  }
  if (reserves) await releaseAddresses(writer, nowMs);
  const address =
    request.ip4 !== undefined
      ? await chooseAddress(writer, cidr, canonicalAddress(request.ip4))
      : request.autoIp
        ? await allocateAddress(writer, cidr)
        : undefined;
  const secret = randomBytes(32).toString("base64url");
  const row: TokenRow = {
    id: randomBytes(16).toString("hex"),
    secret_hash: hashSecret(secret),
    bound_name: request.name ?? null,
    cidr_id: cidr.id,
    ip4: address?.ip4 ?? null,
    admin: request.admin ? 1 : 0,
    tags: JSON.stringify([...new Set(request.tags)]),
    ephemeral: request.ephemeral ? 1 : 0,
    uses: request.uses,
    uses_left: request.uses,
    created_at: nowMs,
    expires_at: nowMs + request.expiresInSeconds * 1000,
    revoked_at: null,
    relay: request.relay ? 1 : 0,
  };
  await db.insertInto("tokens").values(row).execute();
  if (address !== undefined) {
    await db
      .insertInto("addresses")
      .values({ ...address, cidr_id: cidr.id, token_id: row.id })
      .execute();
  }
  const described = describeToken(row, cidr.name, nowMs);
  await recordEvent(writer, nowMs, { actor, action: "token.create", subject: row.id, after: described });
  const token = encodeJoinToken({ id: row.id, secret, ...addressing });
  const named = row.bound_name === null ? "" : ` --name ${row.bound_name}`;
  const command = request.relay ? "mesh relay --token" : "mesh join";
  return { ...described, token, joinCommand: `${command} ${token}${named}` };
}

export async function listTokens(reader: Reader, nowMs: number): Promise<Token[]> {
  const rows = await reader
    .selectFrom("tokens")
    .innerJoin("cidrs", "cidrs.id", "tokens.cidr_id")
    .selectAll("tokens")
    .select("cidrs.name as cidr_name")
    .orderBy("tokens.created_at")
    .orderBy("tokens.id")
    .execute();
  return rows.map((row) => describeToken(row, row.cidr_name, nowMs));
}

/** Revoking twice is no error. @throws MeshError `not-found` */
export async function revokeToken(writer: Writer, id: string, actor: Actor, nowMs: number): Promise<Token> {
  const { db } = writer;
  const row = await db.selectFrom("tokens").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw new MeshError("not-found", "there is no such token");
  const cidr = await db.selectFrom("cidrs").select("name").where("id", "=", row.cidr_id).executeTakeFirstOrThrow();
  const before = describeToken(row, cidr.name, nowMs);
  if (row.revoked_at !== null) return before;
  await db.updateTable("tokens").set({ revoked_at: nowMs }).where("id", "=", id).execute();
  await db.deleteFrom("addresses").where("token_id", "=", id).execute();
  const after = describeToken({ ...row, revoked_at: nowMs }, cidr.name, nowMs);
  await recordEvent(writer, nowMs, { actor, action: "token.revoke", subject: id, before, after });
  return after;
}

/**
 * Spends one use. It stands in the transaction that makes the peer or relay: when that fails, nothing is spent.
 * @throws MeshError `token-malformed`, `token-unknown`, `token-revoked`, `token-expired`, `token-used`, `token-wrong-kind`
 */
export async function redeemToken(
  { db }: Writer,
  text: string,
  use: "peer" | "relay",
  nowMs: number,
): Promise<TokenRow> {
  const { id, secret } = decodeJoinToken(text);
  const row = await db.selectFrom("tokens").selectAll().where("id", "=", id).executeTakeFirst();
  const hash = hashSecret(secret);
  if (row === undefined || !timingSafeEqual(hash, row.secret_hash)) {
    throw new MeshError("token-unknown", "this coordinator did not issue this token");
  }
  if (row.revoked_at !== null) throw new MeshError("token-revoked", "this token was revoked");
  if (row.uses_left === 0) throw new MeshError("token-used", "this token is used up");
  if (row.expires_at <= nowMs) {
    throw new MeshError("token-expired", `this token expired at ${new Date(row.expires_at).toISOString()}`);
  }
  if (use === "peer" && row.relay === 1) throw new MeshError("token-wrong-kind", "this token is for a relay, no peer");
  if (use === "relay" && row.relay === 0 && row.admin === 0) {
    throw new MeshError("token-wrong-kind", "this token lets a machine join, and does not make it a relay");
  }
  if (row.uses_left === null) return row;
  const spent = await db
    .updateTable("tokens")
    .set((token) => ({ uses_left: token("uses_left", "-", 1) }))
    .where("id", "=", id)
    .where("uses_left", ">", 0)
    .executeTakeFirst();
  if (spent.numUpdatedRows !== 1n) throw new MeshError("token-used", "this token is used up");
  return { ...row, uses_left: row.uses_left - 1 };
}

/** A name that a live token keeps for its bearer. */
export async function isNameReserved(
  { db }: Writer,
  name: string,
  exceptTokenId: string,
  nowMs: number,
): Promise<boolean> {
  const holder = await db
    .selectFrom("tokens")
    .select("id")
    .where("bound_name", "=", name)
    .where("id", "!=", exceptTokenId)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", nowMs)
    .where((token) => token.or([token("uses_left", "is", null), token("uses_left", ">", 0)]))
    .executeTakeFirst();
  return holder !== undefined;
}

/** Strikes tokens off the list that have been worthless for long, unless a peer or a relay goes back to them. */
export async function sweepTokens(writer: Writer, nowMs: number, keptMs: number): Promise<void> {
  const { db } = writer;
  const swept = await db
    .deleteFrom("tokens")
    .where("expires_at", "<=", nowMs - keptMs)
    .where("id", "not in", db.selectFrom("peers").select("token_id").where("token_id", "is not", null))
    .where("id", "not in", db.selectFrom("relays").select("token_id").where("token_id", "is not", null))
    .returning("id")
    .execute();
  for (const { id } of swept) {
    await recordEvent(writer, nowMs, { actor: "coordinator", action: "token.sweep", subject: id });
  }
}

async function findLeaf({ db }: Writer, name: string | undefined): Promise<CidrRow> {
  const query = db.selectFrom("cidrs").selectAll();
  const cidr = await (name === undefined
    ? query.where("role", "=", "default")
    : query.where("name", "=", name)
  ).executeTakeFirst();
  if (cidr === undefined) throw new MeshError("not-found", `there is no CIDR ${name ?? "for peers without one"}`);
  const child = await db.selectFrom("cidrs").select("name").where("parent_id", "=", cidr.id).executeTakeFirst();
  if (child !== undefined || cidr.role === "root") {
    throw new MeshError("bad-request", `peers live in leaves only, and ${cidr.name} holds other CIDRs`);
  }
  return cidr;
}

function describeToken(row: TokenRow, cidr: string, nowMs: number): Token {
  return {
    id: row.id,
    name: row.bound_name,
    cidr,
    ip4: row.ip4,
    admin: row.admin === 1,
    tags: JSON.parse(row.tags),
    ephemeral: row.ephemeral === 1,
    relay: row.relay === 1,
    uses: row.uses,
    usesLeft: row.uses_left,
    state: tokenState(row, nowMs),
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: new Date(row.expires_at).toISOString(),
  };
}

export function tokenState(row: TokenRow, nowMs: number): Token["state"] {
  if (row.revoked_at !== null) return "revoked";
  if (row.uses_left === 0) return "used";
  return row.expires_at <= nowMs ? "expired" : "active";
}

function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
