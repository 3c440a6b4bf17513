import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CidrTree } from "../../../src/coord/cidr-tree.ts";
import type { RuleEnd, StoredRule } from "../../../src/coord/filter/stored-rule.ts";
import { PolicySnapshot } from "../../../src/coord/policy-test/policy-snapshot.ts";
import { testPolicy } from "../../../src/coord/policy-test/test-policy.ts";
import type { Peer } from "../../../src/coord/registry.ts";
import type { AssociationRow, CidrRow } from "../../../src/coord/store/schema.ts";
import { relationOf } from "../../../src/coord/visibility.ts";
import { parseAddress } from "../../../src/packet/address.ts";
import { cidrContainsAddress, parseCidr } from "../../../src/packet/cidr.ts";
import { randomKey } from "../../support/network-map.ts";

const CIDRS: CidrRow[] = (
  [
    [1, "root", null, "10.86.0.0/16", "fd86::/48"],
    [2, "infra", 1, "10.86.2.0/24", "fd86:0:0:200::/56"],
    [3, "humans", 1, "10.86.3.0/24", "fd86:0:0:300::/56"],
    [4, "servers", 1, "10.86.64.0/20", "fd86:0:0:4000::/52"],
    [5, "db", 4, "10.86.65.0/24", "fd86:0:0:4100::/56"],
    [6, "web", 4, "10.86.66.0/24", "fd86:0:0:4200::/56"],
  ] as const
).map(([id, name, parent_id, cidr4, cidr6]) => ({
  id,
  name,
  parent_id,
  cidr4,
  cidr6,
  role: name === "infra" || name === "root" ? name : null,
  enabled: 1,
  next_host: 1,
  created_at: 0,
}));

let nextId = 1;
function peer(name: string, cidr: string, fields: Partial<Peer> = {}): Peer {
  const id = nextId++;
  const row = CIDRS.find((one) => one.name === cidr)!;
  return {
    id,
    name,
    machineKey: randomKey(),
    wireguardKey: randomKey(),
    keyProof: null,
    ip4: row.cidr4.replace(/\.0\/\d+$/, `.${id % 250}`),
    ip6: row.cidr6.replace(/::\/\d+$/, `::${id.toString(16)}`),
    cidrId: row.id,
    cidr,
    admin: false,
    enabled: true,
    ephemeral: false,
    tags: [],
    endpoints: [],
    overrideEndpoint: null,
    sshEndpoints: [],
    relays: [],
    unreachedRelays: [],
    exitFamilies: [],
    exitForbidden: false,
    advertisedRoutes: [],
    approvedRoutes: [],
    online: false,
    lastSeenAtMs: null,
    ...fields,
  };
}

const ANY: RuleEnd = { kind: "any" };
let nextRule = 1;
const rule = (fields: Partial<StoredRule>): StoredRule => ({
  id: `rule-${nextRule++}`,
  action: "deny",
  protocol: "tcp",
  ports: "any",
  source: ANY,
  destination: ANY,
  comment: null,
  expiresAtMs: null,
  ...fields,
});

const join = (from_id: number, to_id: number, one_way: 0 | 1 = 0): AssociationRow => ({
  id: 1,
  from_id,
  to_id,
  one_way,
  created_at: 0,
});

const alice = peer("alice", "humans");
const guest = peer("guest", "humans", { tags: ["guests"] });
const db = peer("db-1", "db");
const web = peer("web-1", "web");
const relay = peer("relay", "infra");
const EVERYBODY = [alice, guest, db, web, relay];

const snapshot = (rules: readonly StoredRule[] = [], associations = [join(3, 5)], peers = EVERYBODY) =>
  new PolicySnapshot(new CidrTree(CIDRS, associations), peers, rules, 1000);
const holds = async (text: string, over: PolicySnapshot) =>
  (await testPolicy(text, over)).assertions.map((assertion) => assertion.holds);
const violation = async (text: string, over: PolicySnapshot) =>
  (await testPolicy(text, over)).assertions[0]!.violation ?? undefined;

describe("assertions on the policy", () => {
  it("follow CIDRs and associations", async () => {
    const text = `
      # who is joined
      accept humans -> db:5432/tcp
      accept alice -> peer:guest
      deny humans -> web   # nothing joins these
      accept cidr:web->infra:any
      accept any -> infra
      deny db -> web:1-65535
    `;
    const report = await testPolicy(text, snapshot());
    expect(report).toEqual({ holds: true, assertions: expect.any(Array) });
    expect(report.assertions.map(({ line, pairs }) => [line, pairs])).toEqual([
      [3, 2],
      [4, 1],
      [5, 2],
      [6, 1],
      [7, 4],
      [8, 1],
    ]);
    expect(await violation("accept humans -> servers:22/tcp", snapshot())).toEqual({
      from: "alice",
      to: "web-1",
      ipVersion: 4,
      protocol: "tcp",
      port: 22,
      layer: "acl",
      rule: null,
      detail: "nothing joins humans and web",
    });
    expect(await violation("deny humans -> db", snapshot())).toMatchObject({
      layer: "filter",
      rule: null,
      detail: "no rule denies it",
    });
  });

  it("follow the way of an association", async () => {
    const oneWay = snapshot([], [join(3, 5, 1)]);
    expect(await holds("accept humans -> db\ndeny db -> humans", oneWay)).toEqual([true, true]);
    expect(await violation("accept db -> alice:80/udp", oneWay)).toMatchObject({
      layer: "acl",
      protocol: "udp",
      detail: "an association lets connections start in humans only",
    });
  });

  it("follow rules by port, protocol, peer, tag, CIDR and range, and name the one that decides", async () => {
    const tagged = rule({
      source: { kind: "tag", tag: "guests" },
      destination: { kind: "cidr", id: 5 },
      ports: "5432",
    });
    const ranged = rule({
      protocol: "icmp",
      source: { kind: "range", range: parseCidr(`${alice.ip6}/128`) },
      destination: { kind: "peer", id: db.id },
    });
    const over = snapshot([tagged, ranged]);
    const text = `
      accept alice -> db:5432
      deny guests -> db:5432/tcp
      accept guest -> db:5432/udp
      accept guests -> db:5431/tcp
      accept alice -> db:any/tcp
      accept guest -> db/icmp`;
    expect(await holds(text, over)).toEqual([true, true, true, true, true, true]);
    expect(await violation("accept humans -> db:5000-6000", over)).toEqual({
      from: "guest",
      to: "db-1",
      ipVersion: 4,
      protocol: "tcp",
      port: 5432,
      layer: "filter",
      rule: tagged.id,
      detail: "deny tcp 5432 from tag:guests to cidr:db",
    });
    // Over IPv4 she may.
    const { ip6 } = alice;
    expect(await violation("accept alice -> db:any", over)).toMatchObject({
      ...{ from: "alice", ipVersion: 6, protocol: "icmp", port: null, rule: ranged.id },
      detail: `deny icmp any from cidr:${ip6}/128 to peer:db-1`,
    });
    expect(await violation("deny alice -> db/icmp", over)).toMatchObject({ ipVersion: 4, rule: null });
  });

  it("leave out rules whose time is over, and disabled peers of a group", async () => {
    const over = snapshot(
      [rule({ expiresAtMs: 1000 })],
      [join(3, 5)],
      [alice, db, peer("former", "humans", { enabled: false, tags: ["gone"] })],
    );
    expect(await holds("accept humans -> db", over)).toEqual([true]);
    expect(await violation("accept former -> db", over)).toMatchObject({ layer: "acl", detail: "former is disabled" });
    const { assertions } = await testPolicy("accept gone -> db", over);
    expect(assertions[0]).toMatchObject({ holds: true, pairs: 0 });
  });

  it("are refused by line, whole", async () => {
    const twins = snapshot([], [], [...EVERYBODY, peer("db", "humans", { tags: ["web"] })]);
    const text = [
      "accept alice -> db-1",
      "allow alice -> db-1",
      "accept alice db-1",
      "accept alice -> nobody",
      "deny alice -> db-1:0",
      "deny alice -> db-1:22/icmp",
      "deny alice -> db-1:22/sctp",
      "accept alice -> db",
      "accept Alice -> db-1",
      "accept tag:nothing -> db-1",
      "accept alice -> db-1:90-80",
      `accept ${"x".repeat(10_000)} -> db-1`,
      "deny alice -> db-1:70000",
    ].join("\n");
    const failure = await testPolicy(text, twins).catch((thrown) => thrown);
    expect(failure).toMatchObject({ code: "bad-assertions", exitStatus: 2 });
    expect(failure.message.split("; ").map((line: string) => line.slice(0, 80))).toEqual([
      "line 2: say `accept FROM -> TO:PORT/PROTOCOL` or `deny …`",
      "line 3: say `accept FROM -> TO:PORT/PROTOCOL` or `deny …`",
      "line 4: there is no peer, CIDR or tag nobody",
      'line 5: "0" is no port, range of ports, or any',
      "line 6: only tcp and udp have ports",
      'line 7: "sctp" is not tcp, udp, icmp or any',
      "line 8: db is a peer and a CIDR: say peer:db or cidr:db",
      'line 9: "Alice" is no peer, CIDR or tag',
      "line 10: there is no tag nothing",
      'line 11: "90-80" is no port, range of ports, or any',
      "and 2 more",
    ]);
    await expect(testPolicy("# nothing\n\n", twins)).rejects.toMatchObject({ code: "bad-assertions" });
  });

  it("agree with a slow model, on any rules", async () => {
    const peers = [
      ...EVERYBODY,
      peer("bob", "humans"),
      peer("db-2", "db", { tags: ["guests"] }),
      peer("former", "db", { enabled: false }),
    ];
    const end: fc.Arbitrary<RuleEnd> = fc.oneof(
      fc.constant(ANY),
      fc.constantFrom(...peers).map(({ id }) => ({ kind: "peer" as const, id })),
      fc.constantFrom(1, 3, 4, 5, 6).map((id) => ({ kind: "cidr" as const, id })),
      fc.constantFrom("guests", "none").map((tag) => ({ kind: "tag" as const, tag })),
      fc
        .constantFrom("10.86.3.0/24", "10.86.64.0/20", "192.0.2.0/24", `${db.ip6}/128`, "0.0.0.0/0")
        .map((text) => ({ kind: "range" as const, range: parseCidr(text) })),
    );
    const rules = fc.array(
      fc.record({
        action: fc.constantFrom("allow" as const, "deny" as const, "reject" as const),
        protocol: fc.constantFrom("tcp" as const, "udp" as const, "icmp" as const, "any" as const),
        ports: fc.constantFrom("any", "any", "22", "20-30,80"),
        source: end,
        destination: end,
      }),
      { maxLength: 4 },
    );
    const associations = fc.uniqueArray(fc.constantFrom(join(3, 5), join(3, 4, 1), join(6, 5, 1), join(5, 3, 1)), {
      maxLength: 2,
    });
    await fc.assert(
      fc.asyncProperty(rules, associations, async (some, joined) => {
        // Ports mean something to TCP and UDP alone.
        const all = some.map((one) =>
          rule(one.protocol === "tcp" || one.protocol === "udp" ? one : { ...one, ports: "any" }),
        );
        const over = snapshot(all, joined, peers);
        const kinds = [
          ["tcp", 22],
          ["udp", 80],
          ["icmp", 0],
        ] as const;
        const pairs = peers.flatMap((from) => peers.filter((to) => to !== from).map((to) => [from, to] as const));
        const cases = pairs.flatMap(([from, to]) =>
          kinds.map(([protocol, port]) => {
            const allowed = ([4, 6] as const).map((version) => model(over, from, to, protocol, port, version));
            const what = `peer:${from.name} -> peer:${to.name}${port === 0 ? "" : `:${port}`}/${protocol}`;
            return { what, accept: allowed.every(Boolean), deny: !allowed.some(Boolean) };
          }),
        );
        const text = cases.map(({ what }) => `accept ${what}\ndeny ${what}`).join("\n");
        const { assertions } = await testPolicy(text, over);
        expect(assertions.map(({ assertion, holds }) => [assertion, holds])).toEqual(
          cases.flatMap(({ what, accept, deny }) => [
            [`accept ${what}`, accept],
            [`deny ${what}`, deny],
          ]),
        );
      }),
      { numRuns: 40 },
    );
  });
});

/** Straight from what docs/filter.md says. */
function model(over: PolicySnapshot, from: Peer, to: Peer, protocol: string, port: number, version: 4 | 6): boolean {
  const mayStart = relationOf(over.tree.policy, from, to);
  if (mayStart === undefined || mayStart === "peer") return false;
  const isAt = (end: RuleEnd, one: Peer) => {
    if (end.kind === "any") return true;
    if (end.kind === "peer") return end.id === one.id;
    if (end.kind === "tag") return one.tags.includes(end.tag);
    const range = end.kind === "range" ? end.range : over.tree.rangesOf(end.id)[version === 4 ? 0 : 1]!;
    return cidrContainsAddress(range, parseAddress(version === 4 ? one.ip4 : one.ip6));
  };
  const isOf = (ports: string) =>
    ports === "any" ||
    ports.split(",").some((range) => {
      const [first, last = first] = range.split("-").map(Number);
      return port >= first! && port <= last!;
    });
  return !over.rules.some(
    (one) =>
      one.action !== "allow" &&
      (one.protocol === "any" || one.protocol === protocol) &&
      isOf(one.ports) &&
      isAt(one.source, from) &&
      isAt(one.destination, to),
  );
}
