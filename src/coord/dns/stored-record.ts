import type { DnsRecord, DnsRecordType, DnsSplit } from "../../api/dns-record.ts";
import type { DnsRecordRow } from "../store/schema.ts";

/** A record of the mesh domain. Peers are meant by what they are, not by their names: it follows when these change. */
export interface StoredRecord {
  readonly id: number;
  /** Below the name of this peer; null: below the domain alone. */
  readonly peerId: number | null;
  /** Without the peer and the domain; empty: the peer's own name. */
  readonly name: string;
  readonly type: DnsRecordType;
  /** Without the peer that it points to. */
  readonly data: string;
  /** The peer that it points to by name. */
  readonly targetPeerId: number | null;
  readonly ttlSeconds: number | null;
}

/** What the network says of DNS. */
export interface StoredDns {
  readonly records: readonly StoredRecord[];
  readonly servers: readonly string[];
  readonly splits: readonly DnsSplit[];
}

export const NO_STORED_DNS: StoredDns = { records: [], servers: [], splits: [] };

/** What names are looked up in. */
export interface DnsNames {
  /** Of the network. */
  readonly domain: string;
  byId(id: number): { readonly name: string } | undefined;
}

export function recordOfRow(row: DnsRecordRow): StoredRecord {
  const { id, peer_id, name, type, data, target_peer_id, ttl_seconds } = row;
  return { id, peerId: peer_id, name, type, data, targetPeerId: target_peer_id, ttlSeconds: ttl_seconds };
}

/** With the names that peers have now; its own is without the domain. */
export function describeRecord(record: StoredRecord, names: DnsNames): DnsRecord {
  const { peerId, name, type, data, targetPeerId, ttlSeconds } = record;
  const joined = (words: readonly (string | undefined)[], by: string) => words.filter(Boolean).join(by);
  const ownerPeer = peerId === null ? undefined : names.byId(peerId)?.name;
  const target = targetPeerId === null ? undefined : `${names.byId(targetPeerId)?.name}.${names.domain}`;
  return { name: joined([name, ownerPeer], "."), type, data: joined([data, target], " "), ttlSeconds };
}
