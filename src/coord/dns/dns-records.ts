import type { Registry } from "../registry.ts";
import { type Actor, recordEvent } from "../store/audit.ts";
import type { DnsRecordRow } from "../store/schema.ts";
import type { Reader, Writer } from "../store/store.ts";
import { describeRecord, recordOfRow, type StoredDns } from "./stored-record.ts";

/** By whom and when, and whom to tell. */
export interface DnsChange {
  readonly registry: Registry;
  readonly actor: Actor;
  readonly nowMs: number;
}

/** In `dns_servers`: for all names that have no suffix of their own. */
export const EVERY_NAME = "";

export async function readDns(reader: Reader): Promise<StoredDns> {
  const records = await reader.selectFrom("dns_records").selectAll().orderBy("id").execute();
  const rows = await reader.selectFrom("dns_servers").selectAll().orderBy("suffix").execute();
  const splits = rows.map(({ suffix, servers }) => ({ suffix, servers: JSON.parse(servers) as string[] }));
  return {
    records: records.map(recordOfRow),
    servers: splits.find(({ suffix }) => suffix === EVERY_NAME)?.servers ?? [],
    splits: splits.filter(({ suffix }) => suffix !== EVERY_NAME),
  };
}

/** Has the registry take over what the database says, after the commit. */
export async function applyDns({ db, afterCommit }: Writer, registry: Registry): Promise<void> {
  const dns = await readDns(db);
  afterCommit(() => registry.setDns(dns));
}

/** Takes records out: somebody removes them, or a peer that they are about goes. */
export async function deleteRecords(writer: Writer, rows: readonly DnsRecordRow[], change: DnsChange): Promise<void> {
  if (rows.length === 0) return;
  const { registry, actor, nowMs } = change;
  for (const row of rows) {
    await writer.db.deleteFrom("dns_records").where("id", "=", row.id).execute();
    const before = auditedRecord(row, registry);
    await recordEvent(writer, nowMs, { actor, action: "dns.remove", subject: before.name, before });
  }
  await applyDns(writer, registry);
}

/** Without the peer there is no name below its own, and none that leads to it. */
export async function deleteRecordsOfPeer(writer: Writer, peerId: number, change: DnsChange): Promise<void> {
  const rows = await writer.db
    .selectFrom("dns_records")
    .selectAll()
    .where((where) => where.or([where("peer_id", "=", peerId), where("target_peer_id", "=", peerId)]))
    .execute();
  await deleteRecords(writer, rows, change);
}

export function auditedRecord(row: DnsRecordRow, registry: Registry) {
  return describeRecord(recordOfRow(row), registry);
}
