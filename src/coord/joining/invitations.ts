import type { AdminPeer, InvitationReissue, TokenCreated } from "../../api/admin.ts";
import { MeshError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";
import type { PeerCommand } from "../peers/manage-peers.ts";
import type { TokenRow } from "../store/schema.ts";
import type { Reader, Writer } from "../store/store.ts";
import { issueToken, revokeToken, type TokenAddressing } from "./tokens.ts";

/**
 * An invitation is a token bound to the name of a peer that has not joined yet: until it is redeemed, revoked or expired
 * the name is kept for its bearer, and the address where it reserves one.
 */
export async function invitedPeers(reader: Reader, nowMs: number): Promise<AdminPeer[]> {
  const rows = await liveInvitations(reader, nowMs)
    .innerJoin("cidrs", "cidrs.id", "tokens.cidr_id")
    .leftJoin("addresses", "addresses.token_id", "tokens.id")
    .leftJoin("peers", "peers.name", "tokens.bound_name")
    // A token of several uses stays good after its peer has joined.
    .where("peers.id", "is", null)
    .select(["tokens.bound_name", "tokens.admin", "tokens.ephemeral", "tokens.tags"])
    .select(["cidrs.name as cidr", "addresses.ip4", "addresses.ip6"])
    .orderBy("tokens.created_at")
    .execute();
  const invited = rows.map((row): [string, AdminPeer] => {
    const name = row.bound_name ?? "";
    const peer: AdminPeer = {
      name,
      ip4: row.ip4,
      ip6: row.ip6,
      cidr: row.cidr,
      publicKey: null,
      state: "invited",
      admin: row.admin === 1,
      online: false,
      lastSeenAt: null,
      ephemeral: row.ephemeral === 1,
      tags: JSON.parse(row.tags),
      overrideEndpoint: null,
    };
    return [name, peer];
  });
  // Several tokens may be bound to one name: the last one speaks for the peer.
  return [...new Map(invited).values()];
}

/** Revokes every live token that is bound to this name. */
export async function withdrawInvitation(writer: Writer, { name, actor }: PeerCommand, nowMs: number): Promise<void> {
  const live = await liveInvitations(writer.db, nowMs).where("bound_name", "=", name).select("tokens.id").execute();
  for (const { id } of live) await revokeToken(writer, id, actor, nowMs);
}

/**
 * Another token in the place of a lost or expired one: same peer, CIDR, rights, and the same address where it is still to
 * be had. The old one is revoked.
 * @throws MeshError `name-taken` where the peer has joined, `not-found` where it was never invited or the invitation revoked
 */
export async function reissueInvitation(
  writer: Writer,
  { name, actor }: PeerCommand,
  { expiresInSeconds }: InvitationReissue,
  addressing: TokenAddressing,
  nowMs: number,
): Promise<TokenCreated> {
  const { db } = writer;
  const peer = await db.selectFrom("peers").select("id").where("name", "=", name).executeTakeFirst();
  if (peer !== undefined) throw new MeshError("name-taken", `${name} has joined already`);
  const lost = await invitations(db)
    .where("bound_name", "=", name)
    .selectAll("tokens")
    .orderBy("created_at", "desc")
    .executeTakeFirst();
  if (lost === undefined) {
    throw new MeshError("not-found", `there is no invitation of ${quote(name)} to issue again`, {
      hint: "Invite it with `mesh invite create --name NAME`.",
    });
  }
  // First revoked, so that the address it holds back is free for the new one.
  await withdrawInvitation(writer, { name, actor }, nowMs);
  const { cidr } = await db
    .selectFrom("cidrs")
    .select("name as cidr")
    .where("id", "=", lost.cidr_id)
    .executeTakeFirstOrThrow();
  const isFree = lost.ip4 !== null && (await isAddressFree(writer, lost, nowMs));
  return issueToken(
    writer,
    {
      name,
      cidr,
      ip4: isFree ? (lost.ip4 ?? undefined) : undefined,
      autoIp: lost.ip4 !== null && !isFree,
      admin: lost.admin === 1,
      tags: JSON.parse(lost.tags),
      uses: lost.uses,
      expiresInSeconds,
      ephemeral: lost.ephemeral === 1,
      relay: false,
    },
    { addressing, actor },
    nowMs,
  );
}

/** What an expired token reserved may be somebody else's by now. */
async function isAddressFree({ db }: Writer, { id, ip4 }: TokenRow, nowMs: number): Promise<boolean> {
  const holder = await db
    .selectFrom("addresses")
    .leftJoin("tokens", "tokens.id", "addresses.token_id")
    .select(["addresses.token_id", "tokens.expires_at"])
    .where("addresses.ip4", "=", ip4)
    .executeTakeFirst();
  return holder === undefined || holder.token_id === id || (holder.expires_at !== null && holder.expires_at <= nowMs);
}

/** For peers, not revoked, and not used up. */
function invitations(reader: Reader) {
  return reader
    .selectFrom("tokens")
    .where("tokens.bound_name", "is not", null)
    .where("tokens.relay", "=", 0)
    .where("tokens.revoked_at", "is", null)
    .where((token) => token.or([token("tokens.uses_left", "is", null), token("tokens.uses_left", ">", 0)]));
}

function liveInvitations(reader: Reader, nowMs: number) {
  return invitations(reader).where("tokens.expires_at", ">", nowMs);
}
