import { type DnsRecord, dnsRecordSchema, targetOf } from "../../api/dns-record.ts";
import type { DnsAdd, DnsEntry, DnsRemove } from "../../api/network-dns.ts";
import { MeshError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";
import type { Peer, Registry } from "../registry.ts";
import { recordEvent } from "../store/audit.ts";
import type { DnsRecordRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";
import { mayExchange } from "../visibility.ts";
import { applyDns, auditedRecord, type DnsChange, deleteRecords } from "./dns-records.ts";
import { DnsAudience } from "./records-of-peer.ts";
import { describeRecord, recordOfRow, type StoredRecord } from "./stored-record.ts";

/** Who changes records, and whose: a peer without the admin right those below its own name. */
export type DnsAuthority = "all" | Peer;

/** Every peer is told those that it sees: bounds on what one script may cost all of them. Our own choices. */
const MAX_RECORDS = 1000;
const MAX_RECORDS_OF_PEER = 32;
/** So that an answer fits into a message. */
const MAX_RECORDS_OF_NAME = 32;
/** As the name server follows them. */
const MAX_CHAIN = 8;

/** Of a peer's own name these alone may be added to: where it leads is the network's word. */
const BESIDE_A_PEER: readonly string[] = ["TXT", "SRV"];

/** By name; those that the caller may know of. */
export function listRecords(registry: Registry, authority: DnsAuthority): DnsEntry[] {
  const records = registry.dns.records;
  if (authority === "all") return records.map((record) => entryOf(record, registry)).sort(byName);
  const seen = new Set(
    new DnsAudience(registry.dns, registry).recordsOf(authority).map((record) => JSON.stringify(record)),
  );
  return records
    .filter((record) => seen.has(JSON.stringify(describeRecord(record, registry))))
    .map((record) => entryOf(record, registry))
    .sort(byName);
}

/** @throws MeshError `bad-dns-record`, `not-permitted`, `dns-conflict`, `dns-record-exists`, `dns-full`, `not-found` */
export async function addRecord(
  writer: Writer,
  { record: wanted }: DnsAdd,
  authority: DnsAuthority,
  change: DnsChange,
): Promise<DnsEntry> {
  const { registry, actor, nowMs } = change;
  const record = parseRecord(wanted, registry.domain);
  const owner = ownerOf(record.name, registry);
  requireAuthority(owner.peer, authority, record.name, registry);
  requireNoConflict(record, owner, registry);
  const row = await writer.db
    .insertInto("dns_records")
    .values({
      peer_id: owner.peer?.id ?? null,
      name: owner.below,
      type: record.type,
      ...targetColumns(record, authority, registry),
      ttl_seconds: record.ttlSeconds,
      created_at: nowMs,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  const after = auditedRecord(row, registry);
  await recordEvent(writer, nowMs, { actor, action: "dns.add", subject: after.name, after });
  await applyDns(writer, registry);
  return entryOf(recordOfRow(row), registry);
}

/** Removes all that are meant. @throws MeshError `not-found`, `not-permitted` */
export async function removeRecords(
  writer: Writer,
  { name: written, type, data }: DnsRemove,
  authority: DnsAuthority,
  change: DnsChange,
): Promise<DnsEntry[]> {
  const { registry } = change;
  const name = withoutDomain(written, registry.domain);
  requireAuthority(ownerOf(name, registry).peer, authority, name, registry);
  // What is told apart by case alone is the same, but for text.
  const isMeant = (record: DnsRecord) =>
    record.name === name &&
    (type === null || record.type === type.toUpperCase()) &&
    (data === null || record.data === data || (record.type !== "TXT" && record.data === formOf(record, data)));
  const doomed = registry.dns.records.filter((record) => isMeant(describeRecord(record, registry)));
  if (doomed.length === 0) {
    throw new MeshError("not-found", `there is no such record of ${quote(`${name}.${registry.domain}`)}`, HINT);
  }
  const ids = doomed.map(({ id }) => id);
  const rows: DnsRecordRow[] = await writer.db.selectFrom("dns_records").selectAll().where("id", "in", ids).execute();
  const entries = doomed.map((record) => entryOf(record, registry));
  await deleteRecords(writer, rows, change);
  return entries;
}

const HINT = { hint: "See `mesh dns records`." };

function byName(a: DnsEntry, b: DnsEntry): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function parseRecord(wanted: DnsAdd["record"], domain: string): DnsRecord {
  const type = wanted.type.toUpperCase();
  const parsed = dnsRecordSchema.safeParse({ ...wanted, name: withoutDomain(wanted.name, domain), type });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const what =
      issue?.path[0] === "type" ? "A, AAAA, CNAME, TXT and SRV are the types that can be added" : issue?.message;
    throw new MeshError("bad-dns-record", `${String(issue?.path[0] ?? "record")}: ${what}`);
  }
  const record = parsed.data;
  if (record.name.length + domain.length + 1 > 253)
    throw new MeshError("bad-dns-record", "name: too long with the domain");
  return record;
}

/** `data` in the form in which it is kept. */
function formOf({ name, type }: DnsRecord, data: string): string | undefined {
  const parsed = dnsRecordSchema.safeParse({ name, type, data, ttlSeconds: null });
  return parsed.success ? parsed.data.data : undefined;
}

function withoutDomain(written: string, domain: string): string {
  const name = written.toLowerCase().replace(/\.$/, "");
  return name.endsWith(`.${domain}`) ? name.slice(0, -domain.length - 1) : name;
}

interface Owner {
  /** Below whose name it is. */
  readonly peer: Peer | undefined;
  readonly below: string;
}

/** @throws MeshError `dns-conflict` for names that the network gives by itself */
function ownerOf(name: string, registry: Registry): Owner {
  const labels = name.split(".");
  const last = labels.at(-1)!;
  if (labels.length > 1 && registry.tree.named(last) !== undefined) {
    const why = `names below ${last}.${registry.domain} are those of the peers in the CIDR ${last}`;
    throw new MeshError("dns-conflict", why);
  }
  if (name === registry.domain) throw new MeshError("dns-conflict", `${name} is the domain of the network itself`);
  const peer = registry.named(last);
  return peer === undefined ? { peer, below: name } : { peer, below: labels.slice(0, -1).join(".") };
}

function requireAuthority(owner: Peer | undefined, authority: DnsAuthority, name: string, { domain }: Registry): void {
  if (authority === "all" || owner?.id === authority.id) return;
  throw new MeshError("not-permitted", `${name}.${domain} is not below the name of ${authority.name}`, {
    hint: `Without the admin right, ${authority.name} has the names below ${authority.name}.${domain}.`,
  });
}

function requireNoConflict(record: DnsRecord, { peer, below }: Owner, registry: Registry): void {
  const { domain } = registry;
  const name = `${record.name}.${domain}`;
  if (peer !== undefined && below === "" && !BESIDE_A_PEER.includes(record.type)) {
    throw new MeshError("dns-conflict", `${name} is the peer ${peer.name}, and leads to nothing else`);
  }
  const all = registry.dns.records.map((stored) => describeRecord(stored, registry));
  const beside = all.filter((other) => other.name === record.name);
  if (beside.some(({ type, data }) => type === record.type && data === record.data)) {
    throw new MeshError("dns-record-exists", `${name} has this record already`);
  }
  // RFC 1034 §3.6.2.
  const other = beside.find(({ type }) => type === "CNAME" || record.type === "CNAME");
  if (other !== undefined) {
    throw new MeshError("dns-conflict", `${name} has a record ${other.type} ${other.data}, and an alias stands alone`);
  }
  if (record.type === "CNAME") requireNoLoop(record, all, domain);
  const ofPeer = peer === undefined ? 0 : registry.dns.records.filter(({ peerId }) => peerId === peer.id).length;
  const isFull = all.length >= MAX_RECORDS || ofPeer >= MAX_RECORDS_OF_PEER || beside.length >= MAX_RECORDS_OF_NAME;
  if (isFull) {
    const bounds = `${MAX_RECORDS} in the network, ${MAX_RECORDS_OF_PEER} below a peer's name, ${MAX_RECORDS_OF_NAME} of one name`;
    throw new MeshError("dns-full", `there can be no more records: ${bounds}`);
  }
}

function requireNoLoop(record: DnsRecord, all: readonly DnsRecord[], domain: string): void {
  const start = `${record.name}.${domain}`;
  let at = record.data;
  for (let hop = 1; ; hop++) {
    if (at === start) throw new MeshError("dns-conflict", `${start} would be an alias of itself`);
    const next = all.find(({ name, type }) => type === "CNAME" && `${name}.${domain}` === at);
    if (next === undefined) return;
    if (hop >= MAX_CHAIN)
      throw new MeshError("dns-conflict", `${start} would lead through more than ${MAX_CHAIN} aliases`);
    at = next.data;
  }
}

/** @throws MeshError `not-found` for a name of the mesh that leads nowhere, or to what the caller does not see */
function targetColumns(
  record: DnsRecord,
  authority: DnsAuthority,
  registry: Registry,
): Pick<DnsRecordRow, "data" | "target_peer_id"> {
  const target = targetOf(record);
  const { domain } = registry;
  if (target === undefined || !(target === domain || target.endsWith(`.${domain}`))) {
    return { data: record.data, target_peer_id: null };
  }
  const [label = "", cidr, ...more] = withoutDomain(target, domain).split(".");
  const peer = registry.named(label);
  const isPeersName = peer !== undefined && (cidr === undefined || cidr === peer.cidr) && more.length === 0;
  if (isPeersName && sees(authority, peer, registry)) {
    return { data: record.data.slice(0, -target.length).trimEnd(), target_peer_id: peer.id };
  }
  if (!isPeersName && listRecords(registry, authority).some(({ name }) => name === target)) {
    return { data: record.data, target_peer_id: null };
  }
  throw new MeshError("not-found", `there is no ${target} to lead to`, {
    hint: "See `mesh peers` and `mesh dns records`.",
  });
}

function sees(authority: DnsAuthority, peer: Peer, { policy }: Registry): boolean {
  return authority === "all" || authority.id === peer.id || mayExchange(policy, authority, peer);
}

function entryOf(stored: StoredRecord, registry: Registry): DnsEntry {
  const record = describeRecord(stored, registry);
  const { domain } = registry;
  const name = `${record.name}.${domain}`;
  const namesake =
    stored.peerId === null && !BESIDE_A_PEER.includes(record.type) ? registry.named(record.name) : undefined;
  const target = targetOf(record);
  const isInside = target?.endsWith(`.${domain}`) === true && stored.targetPeerId === null;
  const leads =
    !isInside || registry.dns.records.some((other) => `${describeRecord(other, registry).name}.${domain}` === target);
  const note =
    namesake !== undefined
      ? `a peer has come to have this name, which is its own`
      : leads
        ? null
        : `there is no ${target} any more`;
  const peer = stored.peerId === null ? null : (registry.byId(stored.peerId)?.name ?? null);
  return { ...record, name, peer, note };
}
