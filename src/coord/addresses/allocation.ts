import { sql } from "kysely";
import { MeshError } from "../../base/errors.ts";
import { parseAddress } from "../../packet/address.ts";
import { cidrContainsAddress, parseCidr } from "../../packet/cidr.ts";
import type { CidrRow } from "../store/schema.ts";
import type { Reader, Writer } from "../store/store.ts";
import { type CidrPair, hostAddressPair, hostNumber, lastHostNumber } from "./address-plan.ts";

export interface AllocatedAddress {
  readonly ip4: string;
  readonly ip6: string;
  readonly host: number;
}

/**
 * Finds a free address in a leaf: after the one handed out last, and once the end is reached, in the first gap. So an
 * address that fell free rests as long as it can.
 * @throws MeshError `cidr-full`
 */
export async function allocateAddress(writer: Writer, leaf: CidrRow): Promise<AllocatedAddress> {
  const host = await nextFreeHost(writer.db, leaf);
  if (host === undefined) throw await cidrFull(writer, leaf);
  await writer.db
    .updateTable("cidrs")
    .set({ next_host: host + 1 })
    .where("id", "=", leaf.id)
    .execute();
  return { ...hostAddressPair(pairOf(leaf), host), host };
}

/** The IPv4 address that `allocateAddress` would give now, or null when none is free. */
export async function nextFreeAddress(db: Reader, leaf: CidrRow): Promise<string | null> {
  const host = await nextFreeHost(db, leaf);
  return host === undefined ? null : hostAddressPair(pairOf(leaf), host).ip4;
}

/**
 * An address that somebody chose, checked to be a host's address in the leaf and in nobody's hands.
 * @throws MeshError `bad-address`, `address-taken`
 */
export async function chooseAddress({ db }: Writer, leaf: CidrRow, ip4: string): Promise<AllocatedAddress> {
  const pair = pairOf(leaf);
  const address = parseAddress(ip4);
  const host = cidrContainsAddress(pair.cidr4, address) ? hostNumber(pair.cidr4, address) : 0;
  if (host < 1 || host > lastHostNumber(pair.cidr4)) {
    throw new MeshError("bad-address", `${ip4} is not the address of a host in ${leaf.name} (${leaf.cidr4})`);
  }
  const holder = await db.selectFrom("addresses").selectAll().where("ip4", "=", ip4).executeTakeFirst();
  if (holder !== undefined) {
    const by =
      holder.peer_id !== null
        ? "a peer has it"
        : holder.token_id !== null
          ? "a token reserves it"
          : `a former peer had it${holder.rests_until === null ? "" : `; it rests until ${instant(holder.rests_until)}`}`;
    const next = await nextFreeAddress(db, leaf);
    const hint = next === null ? `No address is free in ${leaf.name}.` : `${next} is free, for one.`;
    throw new MeshError("address-taken", `${ip4} is not free: ${by}`, { hint });
  }
  return { ...hostAddressPair(pair, host), host };
}

/** Frees what expired or revoked tokens hold back, and what has rested for long enough. */
export async function releaseAddresses({ db }: Writer, nowMs: number): Promise<void> {
  const stale = db
    .selectFrom("tokens")
    .select("id")
    .where((token) => token.or([token("expires_at", "<=", nowMs), token("revoked_at", "is not", null)]));
  await db.deleteFrom("addresses").where("token_id", "in", stale).execute();
  await db.deleteFrom("addresses").where("rests_until", "<=", nowMs).execute();
}

async function cidrFull({ db }: Writer, leaf: CidrRow): Promise<MeshError> {
  const { count, next } = await db
    .selectFrom("addresses")
    .select((address) => [
      address.fn.count<number>("rests_until").as("count"),
      address.fn.min("rests_until").as("next"),
    ])
    .where("cidr_id", "=", leaf.id)
    .executeTakeFirstOrThrow();
  const why = `no address is free in ${leaf.name} (${leaf.cidr4})`;
  if (next === null) return new MeshError("cidr-full", why);
  const resting = `${count} of them, once those of ephemeral peers, rest, the first until ${instant(next)}`;
  return new MeshError("cidr-full", `${why}; ${resting}`);
}

function instant(atMs: number): string {
  return new Date(atMs).toISOString();
}

async function nextFreeHost(db: Reader, leaf: CidrRow): Promise<number | undefined> {
  const last = lastHostNumber(parseCidr(leaf.cidr4));
  return (await freeFrom(db, leaf.id, leaf.next_host, last)) ?? freeFrom(db, leaf.id, 1, last);
}

/** The first free host number in `from … last`, or undefined. Costs one index step for each address in a run of taken ones. */
async function freeFrom(db: Reader, cidrId: number, from: number, last: number): Promise<number | undefined> {
  if (from > last) return undefined;
  const taken = await db
    .selectFrom("addresses")
    .select("host")
    .where("cidr_id", "=", cidrId)
    .where("host", "=", from)
    .executeTakeFirst();
  if (taken === undefined) return from;
  const { rows } = await sql<{ host: number }>`
    SELECT taken.host + 1 AS host FROM addresses AS taken
    LEFT JOIN addresses AS next ON next.cidr_id = taken.cidr_id AND next.host = taken.host + 1
    WHERE taken.cidr_id = ${cidrId} AND taken.host >= ${from} AND taken.host < ${last} AND next.host IS NULL
    ORDER BY taken.host LIMIT 1`.execute(db);
  return rows[0]?.host;
}

function pairOf(leaf: CidrRow): CidrPair {
  return { cidr4: parseCidr(leaf.cidr4), cidr6: parseCidr(leaf.cidr6) };
}
