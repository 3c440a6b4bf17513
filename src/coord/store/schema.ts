import type { Generated, Selectable } from "kysely";
import type { DnsRecordType } from "../../api/dns-record.ts";
import type { FilterAction, FilterProtocol } from "../../api/filter-rule.ts";

/** The tables. Instants are milliseconds since 1970 UTC, flags 0 or 1, lists JSON text. */
export interface Schema {
  migrations: { id: number; name: string; applied_at: number };
  network: NetworkTable;
  authorities: AuthoritiesTable;
  cidrs: CidrsTable;
  peers: PeersTable;
  addresses: AddressesTable;
  tokens: TokensTable;
  relays: RelaysTable;
  associations: AssociationsTable;
  filter_rules: FilterRulesTable;
  dns_records: DnsRecordsTable;
  dns_servers: DnsServersTable;
  events: EventsTable;
}

/** One row: what the first run fixed. */
interface NetworkTable {
  id: 1;
  /** UUID: the coordinator's identity, part of every signed transcript. */
  network_id: string;
  name: string;
  domain: string;
  cidr4: string;
  cidr6: string;
  /** No map version at or above this one was ever handed out. */
  map_version_ceiling: number;
  created_at: number;
}

/** Our certificate authorities. The one not retired signs; retired ones stay for peers that still pin them. */
interface AuthoritiesTable {
  fingerprint: string;
  certificate_pem: string;
  private_key_pem: string;
  not_after: number;
  created_at: number;
  retired_at: number | null;
}

interface CidrsTable {
  id: Generated<number>;
  name: string;
  cidr4: string;
  cidr6: string;
  parent_id: number | null;
  enabled: 0 | 1;
  /** What the coordinator itself needs to find; null for the admins' own. */
  role: "root" | "infra" | "default" | null;
  /** Where the search for a free address begins. */
  next_host: number;
  created_at: number;
}

interface PeersTable {
  id: Generated<number>;
  name: string;
  machine_key: string;
  wireguard_key: string;
  /** JSON, or null. */
  key_proof: string | null;
  ip4: string;
  ip6: string;
  cidr_id: number;
  admin: 0 | 1;
  state: "active" | "disabled";
  tags: string;
  ephemeral: 0 | 1;
  endpoints: string;
  /** `HOST:PORT` by the word of an admin. */
  override_endpoint: string | null;
  /** What it offers, as it said last: families in which it is an exit, and networks behind it. */
  exit_families: Generated<string>;
  advertised_routes: Generated<string>;
  /** What admins say to that. */
  exit_forbidden: Generated<0 | 1>;
  approved_routes: Generated<string>;
  /** The token it came with. */
  token_id: string | null;
  created_at: number;
  last_seen_at: number | null;
}

/**
 * Every address that is not free: held by a peer, reserved by a token, or tombstoned (once a peer's, so that others may
 * have it pinned to that peer's keys: for good, or until a rest is over).
 */
interface AddressesTable {
  ip4: string;
  ip6: string;
  cidr_id: number;
  /** Number of the address in its CIDR. */
  host: number;
  peer_id: number | null;
  token_id: string | null;
  tombstoned_at: number | null;
  /** When a tombstoned one is free again: once an ephemeral peer's. */
  rests_until: number | null;
}

interface TokensTable {
  id: string;
  /** SHA-256 of the secret: with 256 random bits there is nothing to guess, so no slow hash. */
  secret_hash: Uint8Array;
  bound_name: string | null;
  cidr_id: number;
  ip4: string | null;
  admin: 0 | 1;
  tags: string;
  ephemeral: 0 | 1;
  /** null: unlimited. */
  uses: number | null;
  uses_left: number | null;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
  /** For a stand-alone relay instead of a peer. */
  relay: 0 | 1;
}

/** Stand-alone relays. */
interface RelaysTable {
  /** UUID: what peers prove themselves to. */
  id: string;
  name: string;
  machine_key: string;
  /** Where it said that it can be found; none before it has. */
  urls: string;
  stun_ports: string;
  /** 0: our CA certifies its TLS key. */
  public_certificate: 0 | 1;
  token_id: string | null;
  created_at: number;
  last_seen_at: number | null;
}

/** Pairs of CIDRs whose peers see each other; one at most for each pair, whatever the order. */
interface AssociationsTable {
  id: Generated<number>;
  from_id: number;
  to_id: number;
  /** 1: only `from` may start connections. */
  one_way: 0 | 1;
  created_at: number;
}

/** The packet filter of the whole network. Each end is a peer, a CIDR, a word (`tag:NAME`, `cidr:RANGE`), or any. */
interface FilterRulesTable {
  id: string;
  action: FilterAction;
  protocol: FilterProtocol;
  ports: string;
  source_peer_id: number | null;
  source_cidr_id: number | null;
  source_word: string | null;
  destination_peer_id: number | null;
  destination_cidr_id: number | null;
  destination_word: string | null;
  comment: string | null;
  created_at: number;
  /** null: when it is removed. */
  expires_at: number | null;
}

/** Records of the mesh domain; see `StoredRecord`. */
interface DnsRecordsTable {
  id: Generated<number>;
  peer_id: number | null;
  name: string;
  type: DnsRecordType;
  data: string;
  target_peer_id: number | null;
  ttl_seconds: number | null;
  created_at: number;
}

/** Whom names below a suffix are asked of; the empty one is that of all names. */
interface DnsServersTable {
  suffix: string;
  servers: string;
}

/** The audit log: who did what to what, and how it was before and after (JSON). */
interface EventsTable {
  id: Generated<number>;
  at: number;
  actor: string;
  action: string;
  subject: string;
  before: string | null;
  after: string | null;
}

export type NetworkRow = Selectable<NetworkTable>;
export type AssociationRow = Selectable<AssociationsTable>;
export type FilterRuleRow = Selectable<FilterRulesTable>;
export type DnsRecordRow = Selectable<DnsRecordsTable>;
export type CidrRow = Selectable<CidrsTable>;
export type PeerRow = Selectable<PeersTable>;
export type RelayRow = Selectable<RelaysTable>;
export type TokenRow = Selectable<TokensTable>;
