import { type Kysely, sql } from "kysely";

export interface Migration {
  readonly id: number;
  readonly name: string;
  /** Runs inside a transaction of its own. */
  up(db: Kysely<never>): Promise<void>;
}

/** In order, never edited once released: a change to the tables is one more entry. */
export const MIGRATIONS: readonly Migration[] = [
  {
    id: 1,
    name: "network, authorities, cidrs, peers, addresses, tokens, events",
    async up(db) {
      for (const statement of FIRST_TABLES) await sql.raw(statement).execute(db);
    },
  },
  {
    id: 2,
    name: "stand-alone relays",
    async up(db) {
      for (const statement of RELAYS) await sql.raw(statement).execute(db);
    },
  },
  {
    id: 3,
    name: "peers.override_endpoint",
    async up(db) {
      await sql`ALTER TABLE peers ADD COLUMN override_endpoint TEXT`.execute(db);
    },
  },
  {
    id: 4,
    name: "associations",
    async up(db) {
      for (const statement of ASSOCIATIONS) await sql.raw(statement).execute(db);
    },
  },
  {
    id: 5,
    name: "peers.key_proof",
    async up(db) {
      await sql`ALTER TABLE peers ADD COLUMN key_proof TEXT`.execute(db);
    },
  },
  {
    id: 6,
    name: "filter rules of the network",
    async up(db) {
      for (const statement of FILTER_RULES) await sql.raw(statement).execute(db);
    },
  },
  {
    id: 7,
    name: "addresses.rests_until",
    async up(db) {
      await sql`ALTER TABLE addresses ADD COLUMN rests_until INTEGER`.execute(db);
      await sql`CREATE INDEX addresses_resting ON addresses (rests_until) WHERE rests_until IS NOT NULL`.execute(db);
    },
  },
  {
    id: 8,
    name: "what peers offer to carry, and what admins say to it",
    async up(db) {
      for (const column of OFFERS) await sql.raw(`ALTER TABLE peers ADD COLUMN ${column}`).execute(db);
    },
  },
  {
    id: 9,
    name: "DNS records and servers",
    async up(db) {
      for (const statement of DNS) await sql.raw(statement).execute(db);
    },
  },
];

const FIRST_TABLES = [
  `CREATE TABLE network (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    network_id TEXT NOT NULL,
    name TEXT NOT NULL,
    domain TEXT NOT NULL,
    cidr4 TEXT NOT NULL,
    cidr6 TEXT NOT NULL,
    map_version_ceiling INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  )`,
  `CREATE TABLE authorities (
    fingerprint TEXT PRIMARY KEY,
    certificate_pem TEXT NOT NULL,
    private_key_pem TEXT NOT NULL,
    not_after INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
  )`,
  `CREATE TABLE cidrs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    cidr4 TEXT NOT NULL UNIQUE,
    cidr6 TEXT NOT NULL UNIQUE,
    parent_id INTEGER REFERENCES cidrs (id),
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    role TEXT UNIQUE CHECK (role IN ('root', 'infra', 'default')),
    next_host INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  )`,
  `CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    bound_name TEXT,
    cidr_id INTEGER NOT NULL REFERENCES cidrs (id),
    ip4 TEXT,
    admin INTEGER NOT NULL CHECK (admin IN (0, 1)),
    tags TEXT NOT NULL,
    ephemeral INTEGER NOT NULL CHECK (ephemeral IN (0, 1)),
    uses INTEGER,
    uses_left INTEGER CHECK (uses_left >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
  )`,
  "CREATE INDEX tokens_bound_name ON tokens (bound_name)",
  `CREATE TABLE peers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    machine_key TEXT NOT NULL UNIQUE,
    wireguard_key TEXT NOT NULL UNIQUE,
    ip4 TEXT NOT NULL UNIQUE,
    ip6 TEXT NOT NULL UNIQUE,
    cidr_id INTEGER NOT NULL REFERENCES cidrs (id),
    admin INTEGER NOT NULL CHECK (admin IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    tags TEXT NOT NULL,
    ephemeral INTEGER NOT NULL CHECK (ephemeral IN (0, 1)),
    endpoints TEXT NOT NULL,
    token_id TEXT REFERENCES tokens (id),
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER
  )`,
  "CREATE INDEX peers_cidr ON peers (cidr_id)",
  `CREATE TABLE addresses (
    ip4 TEXT PRIMARY KEY,
    ip6 TEXT NOT NULL UNIQUE,
    cidr_id INTEGER NOT NULL REFERENCES cidrs (id),
    host INTEGER NOT NULL,
    peer_id INTEGER UNIQUE REFERENCES peers (id),
    token_id TEXT UNIQUE REFERENCES tokens (id),
    tombstoned_at INTEGER,
    UNIQUE (cidr_id, host),
    CHECK ((peer_id IS NOT NULL) + (token_id IS NOT NULL) + (tombstoned_at IS NOT NULL) = 1)
  )`,
  `CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT,
    after TEXT
  )`,
  "CREATE INDEX events_at ON events (at)",
];

const RELAYS = [
  "ALTER TABLE tokens ADD COLUMN relay INTEGER NOT NULL DEFAULT 0 CHECK (relay IN (0, 1))",
  `CREATE TABLE relays (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    machine_key TEXT NOT NULL UNIQUE,
    urls TEXT NOT NULL,
    stun_ports TEXT NOT NULL,
    public_certificate INTEGER NOT NULL CHECK (public_certificate IN (0, 1)),
    token_id TEXT REFERENCES tokens (id),
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER
  )`,
];

const ASSOCIATIONS = [
  `CREATE TABLE associations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    from_id INTEGER NOT NULL REFERENCES cidrs (id),
    to_id INTEGER NOT NULL REFERENCES cidrs (id),
    one_way INTEGER NOT NULL CHECK (one_way IN (0, 1)),
    created_at INTEGER NOT NULL,
    UNIQUE (from_id, to_id),
    CHECK (from_id <> to_id)
  )`,
  "CREATE INDEX associations_to ON associations (to_id)",
];

const ruleEnd = (end: "source" | "destination") => `
    ${end}_peer_id INTEGER REFERENCES peers (id),
    ${end}_cidr_id INTEGER REFERENCES cidrs (id),
    ${end}_word TEXT`;
const oneSelector = (end: "source" | "destination") =>
  `CHECK ((${end}_peer_id IS NOT NULL) + (${end}_cidr_id IS NOT NULL) + (${end}_word IS NOT NULL) <= 1)`;

const FILTER_RULES = [
  `CREATE TABLE filter_rules (
    id TEXT PRIMARY KEY,
    action TEXT NOT NULL CHECK (action IN ('allow', 'deny', 'reject')),
    protocol TEXT NOT NULL CHECK (protocol IN ('tcp,udp', 'tcp', 'udp', 'icmp', 'any')),
    ports TEXT NOT NULL,${ruleEnd("source")},${ruleEnd("destination")},
    comment TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    ${oneSelector("source")},
    ${oneSelector("destination")}
  )`,
  "CREATE INDEX filter_rules_source_peer ON filter_rules (source_peer_id)",
  "CREATE INDEX filter_rules_destination_peer ON filter_rules (destination_peer_id)",
];

const OFFERS = [
  "exit_families TEXT NOT NULL DEFAULT '[]'",
  "advertised_routes TEXT NOT NULL DEFAULT '[]'",
  "exit_forbidden INTEGER NOT NULL DEFAULT 0 CHECK (exit_forbidden IN (0, 1))",
  "approved_routes TEXT NOT NULL DEFAULT '[]'",
];

const DNS = [
  `CREATE TABLE dns_records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    peer_id INTEGER REFERENCES peers (id),
    name TEXT NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('A', 'AAAA', 'CNAME', 'TXT', 'SRV')),
    data TEXT NOT NULL,
    target_peer_id INTEGER REFERENCES peers (id),
    ttl_seconds INTEGER CHECK (ttl_seconds >= 0),
    created_at INTEGER NOT NULL
  )`,
  "CREATE INDEX dns_records_peer ON dns_records (peer_id)",
  "CREATE INDEX dns_records_target_peer ON dns_records (target_peer_id)",
  `CREATE TABLE dns_servers (
    suffix TEXT PRIMARY KEY,
    servers TEXT NOT NULL
  )`,
];
