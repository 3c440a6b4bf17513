/**
 * What changes cost a coordinator with many peers, all of them connected: from the change to the last peer's message,
 * which nothing but a function takes (TLS, sockets and the database are not measured). A plain script:
 *
 *     npx tsc -p bench/micro && node dist/bench/bench/micro/policy.bench.js [PEERS] [CIDRS]
 */
import { systemClock } from "../../src/base/clock.ts";
import { ChangeLog } from "../../src/coord/maps/change-log.ts";
import { Distribution } from "../../src/coord/maps/distribution.ts";
import { MapBuilder } from "../../src/coord/maps/map-builder.ts";
import { type Peer, Registry } from "../../src/coord/registry.ts";
import type { AssociationRow, CidrRow, PeerRow } from "../../src/coord/store/schema.ts";

const ROUNDS = 20;
const [peerCount = 2000, cidrCount = 50] = process.argv.slice(2).map(Number);

const ROOT = 1;
const INFRA = 2;
const FIRST_LEAF = 3;
const network = { id: "", name: "mesh", domain: "mesh", cidr4: "10.0.0.0/8", cidr6: "fd00::/48" };

const cidrs = Array.from({ length: cidrCount + 2 }, (_, i): CidrRow => {
  const id = i + 1;
  const isRoot = id === ROOT;
  return {
    id,
    name: `cidr-${id}`,
    cidr4: isRoot ? network.cidr4 : `10.${Math.floor(id / 16)}.${16 * (id % 16)}.0/20`,
    cidr6: isRoot ? network.cidr6 : `fd00:0:0:${id.toString(16)}::/64`,
    parent_id: isRoot ? null : ROOT,
    enabled: 1,
    role: isRoot ? "root" : id === INFRA ? "infra" : null,
    next_host: 1,
    created_at: 0,
  };
});

const key = (number: number) => {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32LE(number);
  return bytes.toString("base64");
};
const peers = Array.from(
  { length: peerCount },
  (_, i): PeerRow => ({
    id: i + 1,
    name: `peer-${i + 1}`,
    machine_key: key(2 * i),
    wireguard_key: key(2 * i + 1),
    key_proof: null,
    ip4: `10.0.${i >> 8}.${i & 255}`,
    ip6: `fd00::${i.toString(16)}`,
    cidr_id: FIRST_LEAF + (i % cidrCount),
    admin: 0,
    state: "active",
    tags: "[]",
    ephemeral: 0,
    endpoints: '["192.0.2.1:51820","[2001:db8::1]:51820"]',
    override_endpoint: null,
    exit_families: "[]",
    advertised_routes: "[]",
    exit_forbidden: 0,
    approved_routes: "[]",
    token_id: null,
    created_at: 0,
    last_seen_at: null,
  }),
);

const registry = new Registry(cidrs, peers, new ChangeLog<Peer>(1, 8192));
const distribution = new Distribution(registry, systemClock, 0);
const builder = new MapBuilder(network, registry);
let messages = 0;
let sizeBytes = 0;
for (const { id } of peers) {
  const send = (message: string, onSent: () => void) => {
    messages++;
    // As a socket would have it.
    sizeBytes += Buffer.from(message).length;
    onSent();
  };
  distribution.subscribe({ send }, builder.viewOf(id), null);
}
console.log(`${peerCount} peers in ${cidrCount} CIDRs; whole maps for all: ${(sizeBytes / 2 ** 20).toFixed(1)} MiB`);

const turn = () => new Promise((resolve) => setTimeout(resolve, 2));

async function measure(what: string, change: (round: number) => void): Promise<void> {
  await turn();
  [messages, sizeBytes] = [0, 0];
  const wallMs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = performance.now();
    change(round);
    // The distribution's timer was set before this one.
    await turn();
    wallMs.push(performance.now() - before);
  }
  wallMs.sort((a, b) => a - b);
  const median = wallMs[ROUNDS / 2]!.toFixed(1);
  const each = `${Math.round(messages / ROUNDS)} messages, ${(sizeBytes / ROUNDS / 1024).toFixed(0)} KiB`;
  console.log(`${what.padEnd(44)} ${median.padStart(7)} ms   ${each}`);
}

const association = (from_id: number, to_id: number): AssociationRow => ({
  id: 1,
  from_id,
  to_id,
  one_way: 0,
  created_at: 0,
});
const leaf = (round: number) => FIRST_LEAF + (round % (cidrCount - 1));

await measure("an endpoint changes", (round) => registry.setEndpoints(1 + round, [`192.0.2.7:${round + 1}`]));
await measure("two leaves are joined, or parted", (round) => {
  registry.applyTree(cidrs, round % 2 === 0 ? [association(FIRST_LEAF, FIRST_LEAF + 1)] : []);
});
await measure("a leaf is joined with all, or parted", (round) => {
  registry.applyTree(cidrs, round % 2 === 0 ? [association(FIRST_LEAF, ROOT)] : []);
});
await measure("a leaf is disabled, or enabled", (round) => {
  const isOff = round % 2 === 0;
  registry.applyTree(
    isOff ? cidrs.map((cidr) => (cidr.id === FIRST_LEAF ? { ...cidr, enabled: 0 } : cidr)) : cidrs,
    [],
  );
});
await measure("a leaf has another name", (round) => {
  const other = leaf(round);
  registry.applyTree(
    cidrs.map((cidr) => (cidr.id === other ? { ...cidr, name: `name-${round}` } : cidr)),
    [],
  );
});
distribution.close();
