import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { errorBodySchema } from "../../../src/api/error-body.ts";
import type { AdminRoute } from "../../../src/coord/http/authorize.ts";
import { CHANGES } from "../../../src/coord/http/proposed-policy.ts";
import { makeKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";
import { readDatabase } from "../../support/read-database.ts";

/** What is asked, with which body, and the code of the refusal. */
type Case = readonly [path: string, body: unknown, code: string];

const NO_NAMES = [
  "x".repeat(10_000),
  "x".repeat(64),
  "x'); DROP TABLE peers; --",
  "' OR '1'='1",
  'x" UNION SELECT secret_hash FROM tokens --',
  "x\u0000y",
  "x\r\ny: z",
  "\u001b[2Jx",
  "\u202ex",
  "naïve",
  "Alice",
  "two words",
  "-x",
  "x--y",
  "a/b",
  "../tokens",
  "%2e%2e",
  "$(reboot)",
  "any",
];
const NO_TEXTS = [null, 7, true, [], {}, "", ...NO_NAMES];
/** Where a name or an id belongs, nothing of this kind is found. */
const UNKNOWN = [...NO_NAMES, "nobody", "0".repeat(32)];
const NO_BODIES = [null, [], 7, "alice", "{", '{"a":1,}'];

/** For each thing that is not there. */
const nothingAt = (path: (name: string) => string, body: unknown = undefined): Case[] =>
  UNKNOWN.map((name) => [path(encodeURIComponent(name)), body, "not-found"]);
/** For each thing that cannot stand in this field of a body. */
const wrongField = (path: string, field: string, values: readonly unknown[], code: string, rest: object = {}): Case[] =>
  values.map((value) => [path, { ...rest, [field]: value }, code]);
const wrongBody = (path: string, required: object = {}): Case[] => [
  ...NO_BODIES.map((body): Case => [path, body, "bad-request"]),
  [path, { ...required, unknown: 1 }, "bad-request"],
  [path, `{"__proto__":{"admin":true},${JSON.stringify(required).slice(1)}`.replace(",}", "}"), "bad-request"],
];

const lifetimes = (path: string) =>
  wrongField(path, "expiresInSeconds", [-1, 0, 1.5, 1e12, "60", null, [60]], "bad-request");
const placed = (cidr4: unknown, code: string, rest: object = {}): Case => [
  "/v1/admin/cidrs",
  { name: "fresh", cidr4, ...rest },
  code,
];
const associated = (from: unknown, to: unknown, code: string): Case => [
  "/v1/admin/associations",
  { from, to, oneWay: false },
  code,
];

const isRuleId = (id: unknown) => typeof id === "string" && /^[a-z0-9][a-z0-9-]{0,63}$/.test(id);
/** One that is there. */
const RULE = {
  action: "deny",
  protocol: "tcp",
  ports: "22",
  source: "peer:bob",
  destination: "any",
  comment: null,
};
const wrongRule = (field: string, values: readonly unknown[]): Case[] =>
  values.map((value) => ["/v1/admin/filter", { rule: { ...RULE, [field]: value }, ttlSeconds: null }, "bad-request"]);

const wrongRoutes = (path: string): Case[] => [
  ...wrongField(path, "route", [null, 7, "", "192.168.50.0", "192.168.50.0/33", "lab"], "bad-cidr"),
  [path, { route: "192.168.50.1/24" }, "bad-cidr"],
];

const RECORD = { name: "git", type: "CNAME", data: "bob.mesh", ttlSeconds: null };
const recorded = (fields: object, code: string): Case => [
  "/v1/admin/dns/records",
  { record: { ...RECORD, name: "fresh", ...fields } },
  code,
];
const served = (suffix: unknown, servers: unknown, code: string): Case => [
  "/v1/admin/dns/servers",
  { suffix, servers },
  code,
];

/**
 * In the network there are the peers alice (the only admin) and bob (in desk), carol, who is invited, the CIDRs desk and lab, which
 * are associated, and floor, which holds room. `git` is an alias for bob, `web` has an address. A route that is not in here does not compile.
 */
const CASES: Record<AdminRoute, readonly Case[]> = {
  "GET /v1/admin/tokens": [],
  "POST /v1/admin/tokens": [
    ...wrongBody("/v1/admin/tokens"),
    ...wrongField("/v1/admin/tokens", "name", NO_TEXTS, "bad-name"),
    ...wrongField("/v1/admin/tokens", "cidr", NO_TEXTS, "bad-name"),
    ...wrongField("/v1/admin/tokens", "tags", [null, "web", ...NO_TEXTS.map((tag) => [tag])], "bad-name"),
    ...wrongField("/v1/admin/tokens", "ip4", [...NO_TEXTS, "10.86.64.256", "fd00::1"], "bad-address"),
    ...wrongField("/v1/admin/tokens", "ip4", ["10.86.64.0", "192.0.2.1", "10.86.128.9"], "bad-address"),
    ...wrongField("/v1/admin/tokens", "uses", [-1, 0, 1.5, 1e9, "1", [1]], "bad-request"),
    ...wrongField("/v1/admin/tokens", "admin", ["true", 1, null], "bad-request"),
    ...lifetimes("/v1/admin/tokens"),
    ["/v1/admin/tokens", { name: "bob" }, "name-taken"],
    ["/v1/admin/tokens", { name: "carol" }, "name-taken"],
    ["/v1/admin/tokens", { cidr: "nowhere" }, "not-found"],
    ["/v1/admin/tokens", { cidr: "floor" }, "bad-request"],
    ["/v1/admin/tokens", { ip4: "10.86.64.9", autoIp: true }, "bad-request"],
  ],
  "DELETE /v1/admin/tokens/:id": nothingAt((id) => `/v1/admin/tokens/${id}`),
  "GET /v1/admin/peers": [],
  "DELETE /v1/admin/peers/:name": [
    ...nothingAt((name) => `/v1/admin/peers/${name}`),
    ["/v1/admin/peers/alice", undefined, "last-admin"],
  ],
  "POST /v1/admin/peers/:name/rename": [
    ...nothingAt((name) => `/v1/admin/peers/${name}/rename`, { to: "fresh" }),
    ...wrongBody("/v1/admin/peers/bob/rename", { to: "fresh" }),
    ...wrongField("/v1/admin/peers/bob/rename", "to", NO_TEXTS, "bad-name"),
    ["/v1/admin/peers/bob/rename", { to: "alice" }, "name-taken"],
    ["/v1/admin/peers/bob/rename", { to: "carol" }, "name-taken"],
  ],
  "POST /v1/admin/exits/:name": [
    ...nothingAt((name) => `/v1/admin/exits/${name}`, { allowed: false }),
    ...wrongBody("/v1/admin/exits/bob", { allowed: false }),
    ...wrongField("/v1/admin/exits/bob", "allowed", [null, "no", 0, []], "bad-request"),
  ],
  "GET /v1/admin/routes": [],
  "POST /v1/admin/routes/:name/approve": [
    ...nothingAt((name) => `/v1/admin/routes/${name}/approve`, { route: "192.168.50.0/24" }),
    ...wrongBody("/v1/admin/routes/bob/approve", { route: "192.168.50.0/24" }),
    ...wrongRoutes("/v1/admin/routes/bob/approve"),
    ["/v1/admin/routes/bob/approve", { route: "0.0.0.0/0" }, "default-route-advertised"],
    ["/v1/admin/routes/bob/approve", { route: "10.86.7.0/24" }, "route-overlap"],
    ["/v1/admin/routes/bob/approve", { route: "127.0.0.0/16" }, "route-overlap"],
    ["/v1/admin/routes/bob/approve", { route: "192.168.50.0/24" }, "not-found"],
  ],
  "POST /v1/admin/routes/:name/revoke": [
    ...nothingAt((name) => `/v1/admin/routes/${name}/revoke`, { route: "192.168.50.0/24" }),
    ...wrongBody("/v1/admin/routes/bob/revoke", { route: "192.168.50.0/24" }),
    ...wrongRoutes("/v1/admin/routes/bob/revoke"),
    ["/v1/admin/routes/bob/revoke", { route: "192.168.50.0/24" }, "not-found"],
  ],
  "POST /v1/admin/peers/:name/enable": nothingAt((name) => `/v1/admin/peers/${name}/enable`, {}),
  "POST /v1/admin/peers/:name/disable": [
    ...nothingAt((name) => `/v1/admin/peers/${name}/disable`, {}),
    ["/v1/admin/peers/alice/disable", {}, "last-admin"],
  ],
  "POST /v1/admin/peers/:name/admin": [
    ...nothingAt((name) => `/v1/admin/peers/${name}/admin`, { admin: true }),
    ...wrongBody("/v1/admin/peers/bob/admin", { admin: true }),
    ...wrongField("/v1/admin/peers/bob/admin", "admin", [null, 1, "true", []], "bad-request"),
    ["/v1/admin/peers/alice/admin", { admin: false }, "last-admin"],
  ],
  "POST /v1/admin/peers/:name/tags": [
    ...nothingAt((name) => `/v1/admin/peers/${name}/tags`, { tags: ["web"] }),
    ...wrongBody("/v1/admin/peers/bob/tags", { tags: ["web"] }),
    ...wrongField("/v1/admin/peers/bob/tags", "tags", [null, "web", {}, new Array(33).fill("web")], "bad-name"),
    ...wrongField(
      "/v1/admin/peers/bob/tags",
      "tags",
      NO_TEXTS.map((tag) => ["web", tag]),
      "bad-name",
    ),
  ],
  "POST /v1/admin/peers/:name/override-endpoint": [
    ...nothingAt((name) => `/v1/admin/peers/${name}/override-endpoint`, { endpoint: "192.0.2.1:1" }),
    ...wrongBody("/v1/admin/peers/bob/override-endpoint", { endpoint: null }),
    ...wrongField(
      "/v1/admin/peers/bob/override-endpoint",
      "endpoint",
      [7, [], "", ...NO_NAMES, "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:-1", "[::1", "x:y", "a;b:1"],
      "bad-request",
    ),
    ["/v1/admin/peers/bob/override-endpoint", { endpoint: "127.0.0.1:1" }, "bad-endpoint"],
    ["/v1/admin/peers/bob/override-endpoint", { endpoint: "10.86.64.1:1" }, "bad-endpoint"],
  ],
  "POST /v1/admin/invitations/:name/reissue": [
    ...nothingAt((name) => `/v1/admin/invitations/${name}/reissue`, {}),
    ...wrongBody("/v1/admin/invitations/carol/reissue"),
    ...lifetimes("/v1/admin/invitations/carol/reissue"),
    ["/v1/admin/invitations/bob/reissue", {}, "name-taken"],
  ],
  "GET /v1/admin/cidrs": [],
  "POST /v1/admin/cidrs": [
    ...wrongBody("/v1/admin/cidrs", { name: "fresh", cidr4: "10.86.200.0/24" }),
    ...wrongField("/v1/admin/cidrs", "name", NO_TEXTS, "bad-name", { cidr4: "10.86.200.0/24" }),
    ...wrongField("/v1/admin/cidrs", "parent", NO_TEXTS, "bad-name", { name: "fresh", cidr4: "10.86.200.0/24" }),
    ...[...NO_TEXTS, "10.86.200.0", "10.86.200.0/33", "10.86.200.0/-1", "/24"].map((text) => placed(text, "bad-cidr")),
    ...NO_TEXTS.map((cidr6) => placed("10.86.200.0/24", "bad-cidr", { cidr6 })),
    placed("10.86.200.1/24", "bad-cidr"),
    placed("10.86.200.0/31", "bad-cidr"),
    placed("192.0.2.0/24", "bad-cidr"),
    placed("0.0.0.0/0", "bad-cidr"),
    placed("fd00:1:2:c800::/56", "bad-cidr"),
    placed("10.86.200.0/24", "bad-cidr", { cidr6: "fd00:9::/64" }),
    placed("10.86.0.0/16", "cidr-overlap"),
    placed("10.86.128.0/24", "cidr-overlap"),
    placed("10.86.128.0/23", "cidr-overlap"),
    placed("10.86.200.0/24", "cidr-wrong-parent", { parent: "floor" }),
    placed("10.86.145.0/24", "cidr-wrong-parent", { parent: "root" }),
    placed("10.86.200.0/24", "not-found", { parent: "nowhere" }),
    placed("10.86.128.0/25", "cidr-in-use"),
    ["/v1/admin/cidrs", { name: "lab", cidr4: "10.86.200.0/24" }, "name-taken"],
  ],
  "POST /v1/admin/cidrs/:name/rename": [
    ...nothingAt((name) => `/v1/admin/cidrs/${name}/rename`, { to: "fresh" }),
    ...wrongBody("/v1/admin/cidrs/lab/rename", { to: "fresh" }),
    ...wrongField("/v1/admin/cidrs/lab/rename", "to", NO_TEXTS, "bad-name"),
    ["/v1/admin/cidrs/lab/rename", { to: "desk" }, "name-taken"],
  ],
  "POST /v1/admin/cidrs/:name/enable": nothingAt((name) => `/v1/admin/cidrs/${name}/enable`, {}),
  "POST /v1/admin/cidrs/:name/disable": [
    ...nothingAt((name) => `/v1/admin/cidrs/${name}/disable`, {}),
    ["/v1/admin/cidrs/root/disable", {}, "cidr-builtin"],
    ["/v1/admin/cidrs/infra/disable", {}, "cidr-builtin"],
  ],
  "DELETE /v1/admin/cidrs/:name": [
    ...nothingAt((name) => `/v1/admin/cidrs/${name}`),
    ["/v1/admin/cidrs/desk", undefined, "cidr-in-use"],
    ["/v1/admin/cidrs/lab", undefined, "cidr-in-use"],
    ["/v1/admin/cidrs/floor", undefined, "cidr-in-use"],
    ["/v1/admin/cidrs/root", undefined, "cidr-builtin"],
    ["/v1/admin/cidrs/members", undefined, "cidr-builtin"],
  ],
  "GET /v1/admin/associations": [],
  "POST /v1/admin/associations": [
    ...wrongBody("/v1/admin/associations", { from: "lab", to: "floor", oneWay: false }),
    ...NO_TEXTS.flatMap((name) => [associated(name, "lab", "bad-name"), associated("desk", name, "bad-name")]),
    ...wrongField("/v1/admin/associations", "oneWay", [null, 1, "true"], "bad-request", { from: "lab", to: "floor" }),
    associated("nowhere", "lab", "not-found"),
    associated("desk", "nowhere", "not-found"),
    associated("desk", "desk", "bad-association"),
    associated("desk", "infra", "bad-association"),
    associated("desk", "lab", "association-exists"),
    associated("lab", "desk", "association-exists"),
  ],
  "DELETE /v1/admin/associations/:from/:to": [
    ...nothingAt((name) => `/v1/admin/associations/${name}/lab`),
    ...nothingAt((name) => `/v1/admin/associations/desk/${name}`),
    ["/v1/admin/associations/desk/floor", undefined, "not-found"],
  ],
  "GET /v1/admin/filter": [],
  "POST /v1/admin/filter": [
    ...wrongBody("/v1/admin/filter", { rule: RULE, ttlSeconds: null }),
    ...wrongRule("action", [...NO_TEXTS, "ban"]),
    ...wrongRule("protocol", [...NO_TEXTS.filter((text) => text !== "any"), "sctp"]),
    ...wrongRule("ports", [...NO_TEXTS.filter((text) => text !== "any"), "0", "65536", "-1", "90-80", "1-", "22;23"]),
    ...wrongRule("source", [...NO_TEXTS.filter((text) => text !== "any"), ...NO_NAMES.map((name) => `peer:${name}`)]),
    ...wrongRule("destination", [...NO_NAMES.map((name) => `tag:${name}`), "cidr:10.0.0.1/8", "cidr:10.0.0.0/33"]),
    ...wrongRule("comment", ["x".repeat(10_000), "x\u0000y", "\u001b[2Jx", 7, []]),
    ...wrongRule("direction", ["in"]),
    ...wrongField("/v1/admin/filter", "ttlSeconds", [-1, 0, 1.5, 1e12, "60", [60]], "bad-request", { rule: RULE }),
    ...["peer:nobody", "tag:nothing", "cidr:nowhere"].map(
      (source): Case => ["/v1/admin/filter", { rule: { ...RULE, source }, ttlSeconds: null }, "not-found"],
    ),
    ["/v1/admin/filter", { rule: RULE, ttlSeconds: null }, "filter-rule-exists"],
  ],
  "POST /v1/admin/filter/remove": [
    ...wrongBody("/v1/admin/filter/remove", { id: "nothing" }),
    ...[...NO_TEXTS, ...UNKNOWN].map(
      (id): Case => ["/v1/admin/filter/remove", { id }, isRuleId(id) ? "not-found" : "bad-request"],
    ),
    ["/v1/admin/filter/remove", { match: {} }, "bad-request"],
    ["/v1/admin/filter/remove", { match: { source: "peer:\u0000" } }, "bad-request"],
    ["/v1/admin/filter/remove", { match: { ...RULE, action: "allow" } }, "not-found"],
  ],
  "POST /v1/admin/policy/test": [
    ...wrongBody("/v1/admin/policy/test", { text: "accept any -> any:any" }),
    ...wrongField("/v1/admin/policy/test", "text", [null, 7, true, [], {}, "x".repeat(48_001)], "bad-request"),
    ...["", "accept bob -> nowhere", "accept bob -> alice:0", "allow bob -> alice", "\u0000"].map(
      (text): Case => ["/v1/admin/policy/test", { text }, "bad-assertions"],
    ),
    ...[null, {}, "", [7], [{}], new Array(501).fill({ line: 1, method: "POST", path: "/v1/admin/cidrs" })].map(
      (proposed): Case => ["/v1/admin/policy/test", { text: "accept any -> any", proposed }, "bad-request"],
    ),
    ...NO_NAMES.map((name): Case => {
      const proposed = [{ line: 1, method: "GET", path: `/v1/admin/peers/${name}` }];
      return ["/v1/admin/policy/test", { text: "accept any -> any", proposed }, "bad-changes"];
    }),
  ],
  "GET /v1/admin/dns/records": [],
  "POST /v1/admin/dns/records": [
    ...wrongBody("/v1/admin/dns/records", { record: RECORD }),
    ...[
      "x".repeat(64),
      "x; y",
      "'); DROP",
      "a b",
      "naïve",
      "-x",
      "x-",
      "a..b",
      ".",
      "*",
      "*.web",
      "\u0000",
      `${"a.".repeat(125)}a`,
    ].map((name) => recorded({ name }, "bad-dns-record")),
    ...[null, 7, [], "", "x".repeat(301)].map((name) => recorded({ name }, "bad-request")),
    ...["MX", "ANY", "SOA", "NS", "*", "65"].map((type) => recorded({ type }, "bad-dns-record")),
    ...["10.86.64", "fd00::1", "bob", "", "127.0.0.1 "].map((data) => recorded({ type: "A", data }, "bad-dns-record")),
    ...["10.86.64.1", "fd00::g", "::1%lo"].map((data) => recorded({ type: "AAAA", data }, "bad-dns-record")),
    ...["", "two words", "a..b", "x".repeat(64)].map((data) => recorded({ data }, "bad-dns-record")),
    ...["bob.mesh", "0 5 bob.mesh", "0 5 0 bob.mesh", "0 5 65536 bob.mesh", "-1 5 1 bob.mesh", "0 5 1 a b"].map(
      (data) => recorded({ type: "SRV", data }, "bad-dns-record"),
    ),
    recorded({ type: "TXT", data: "é".repeat(513) }, "bad-dns-record"),
    ...[-1, 1.5, 1e9, "60"].map((ttlSeconds) => recorded({ ttlSeconds }, "bad-request")),
    recorded({ data: "nobody.mesh" }, "not-found"),
    recorded({ data: "mesh" }, "not-found"),
    recorded({ data: "bob.lab.mesh" }, "not-found"),
    recorded({ data: "x.bob.mesh" }, "not-found"),
    recorded({ type: "SRV", data: "0 5 1 nobody.mesh" }, "not-found"),
    recorded({ name: "git" }, "dns-record-exists"),
    recorded({ name: "GIT.Mesh.", data: "BOB.mesh." }, "dns-record-exists"),
    recorded({ name: "git", data: "alice.mesh" }, "dns-conflict"),
    recorded({ name: "git", type: "TXT", data: "beside an alias" }, "dns-conflict"),
    recorded({ name: "web" }, "dns-conflict"),
    recorded({ name: "bob" }, "dns-conflict"),
    recorded({ name: "bob", type: "A", data: "192.0.2.1" }, "dns-conflict"),
    recorded({ name: "bob.desk", type: "A", data: "192.0.2.1" }, "dns-conflict"),
    recorded({ name: "x.bob.desk", type: "A", data: "192.0.2.1" }, "dns-conflict"),
    recorded({ name: "mesh" }, "dns-conflict"),
    recorded({ name: "loop", data: "loop.mesh" }, "dns-conflict"),
  ],
  "POST /v1/admin/dns/records/remove": [
    ...wrongBody("/v1/admin/dns/records/remove", { name: "git", type: null, data: null }),
    ...[...UNKNOWN.filter(({ length }) => length <= 300), "bob", "git.bob"].map(
      (name): Case => ["/v1/admin/dns/records/remove", { name, type: null, data: null }, "not-found"],
    ),
    ["/v1/admin/dns/records/remove", { name: "git", type: "A", data: null }, "not-found"],
    ["/v1/admin/dns/records/remove", { name: "git", type: "CNAME", data: "alice.mesh" }, "not-found"],
    ["/v1/admin/dns/records/remove", { name: "", type: null, data: null }, "bad-name"],
    ["/v1/admin/dns/records/remove", { name: "x.desk", type: null, data: null }, "dns-conflict"],
  ],
  "GET /v1/admin/dns/servers": [],
  "POST /v1/admin/dns/servers": [
    ...wrongBody("/v1/admin/dns/servers", { suffix: null, servers: ["192.0.2.53"] }),
    ...["192.0.2", "ns.example.com", "192.0.2.53:53", "192.0.2.53#0", "192.0.2.53#1#2", "fe80::1%eth0", ""].map(
      (server) => served(null, [server], "bad-dns-server"),
    ),
    ...["127.0.0.1", "0.0.0.0", "::1", "224.0.0.1", "255.255.255.255"].map((server) =>
      served(null, ["192.0.2.53", server], "bad-dns-server"),
    ),
    ...["a b", "*.corp", "mesh", "Mesh.", "sub.mesh", "..", "\u0000"].map((suffix) =>
      served(suffix, ["192.0.2.53"], "bad-dns-server"),
    ),
    served(null, "192.0.2.53", "bad-request"),
    served(null, new Array(9).fill("192.0.2.53"), "bad-request"),
  ],
  "GET /v1/admin/audit": ["since=yesterday", "since=%00", "after=-1", "after=x", "limit=0", "limit=1001", "who=me"].map(
    (query) => [`/v1/admin/audit?${query}`, undefined, "bad-request"],
  ),
  "GET /v1/admin/backup": [],
  "GET /v1/admin/relays": [],
  "DELETE /v1/admin/relays/:name": nothingAt((name) => `/v1/admin/relays/${name}`),
};

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
let before: unknown;

const start = async () => {
  const options = { tls: "off", networkCidr4: "10.86.0.0/16", networkCidr6: "fd00:1:2::/48" } as const;
  fixture = await startCoordinator(home.path, options, { limits: { challengeBurst: 10_000 } });
};

beforeAll(async () => {
  home = await temporaryHome();
  await start();
  const { admin, client, coordinator } = fixture;
  const made = async (path: string, body: object) => expect((await admin.call("POST", path, body)).status).toBe(200);
  await made("/v1/admin/cidrs", { name: "desk", cidr4: "10.86.128.0/24" });
  await made("/v1/admin/cidrs", { name: "lab", cidr4: "10.86.129.0/24" });
  await made("/v1/admin/cidrs", { name: "floor", cidr4: "10.86.144.0/20" });
  await made("/v1/admin/cidrs", { name: "room", cidr4: "10.86.144.0/24" });
  await made("/v1/admin/associations", { from: "desk", to: "lab", oneWay: false });
  await client.register(makeKeys(), "alice", coordinator.firstToken?.token);
  await client.register(makeKeys(), "bob", (await admin.createToken({ cidr: "desk" })).token);
  await made("/v1/admin/filter", { rule: RULE, ttlSeconds: null });
  await made("/v1/admin/dns/records", { record: RECORD });
  await made("/v1/admin/dns/records", { record: { name: "web", type: "A", data: "192.0.2.80", ttlSeconds: 60 } });
  await admin.createToken({ name: "carol", cidr: "desk", autoIp: true });
  await coordinator.close();
  before = readStore();
  await start();
});
afterAll(() => home[Symbol.asyncDispose]());

/** Every row of every table, but for what each start of a coordinator sets aside. */
function readStore(): unknown {
  const rows = readDatabase(join(home.path, "coordinator/coordinator.db"));
  for (const network of rows.network as { map_version_ceiling?: number }[]) delete network.map_version_ceiling;
  return rows;
}

it.each(Object.entries(CASES))("%s answers bad input with the code that is documented for it", async (route, cases) => {
  const [method = ""] = route.split(" ");
  for (const [path, body, code] of cases) {
    const { text, json } = await fixture.admin.call(method, path, body);
    const { error } = errorBodySchema.parse(json);
    expect([path.slice(0, 200), body, error.code]).toEqual([path.slice(0, 200), body, code]);
    // What was sent is not thrown at whoever reads the answer on a terminal.
    expect(text.length).toBeLessThan(1000);
    expect(error.message).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
  }
});

const changes = Object.entries(CASES).filter(([route]) => (CHANGES as readonly string[]).includes(route));
it.each(changes)("%s, as a proposal, is refused with the same words and the line", async (route, cases) => {
  const [method = ""] = route.split(" ");
  // One of each kind: the checks are the same.
  for (const [path, body, code] of cases.filter((one, index) => one[2] !== cases[index - 1]?.[2])) {
    // A text would be taken for what is no JSON.
    if (typeof body === "string") continue;
    const proposed = [{ line: 7, method, path, body }];
    const { admin } = fixture;
    const refused = errorBodySchema.parse((await admin.call(method, path, body)).json).error;
    const { json } = await admin.call("POST", "/v1/admin/policy/test", { text: "accept any -> any", proposed });
    const { error } = errorBodySchema.parse(json);
    expect([path, body, error]).toEqual([path, body, { ...refused, code, message: `line 7: ${refused.message}` }]);
  }
});

it("and nothing of that has changed anything", async () => {
  await fixture.coordinator.close();
  expect(readStore()).toEqual(before);
});
