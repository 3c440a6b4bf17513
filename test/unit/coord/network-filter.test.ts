import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdminEvent } from "../../../src/api/admin.ts";
import type { NetworkFilterEntry } from "../../../src/api/network-filter.ts";
import type { PolicyReport } from "../../../src/api/policy-test.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { type Answer, makeKeys, type TestControl, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
/** Added to the wall clock of the coordinator. */
let aheadMs = 0;
const clock = { ...systemClock, wallMs: () => Date.now() + aheadMs };

const start = async () => {
  const limits = { challengeBurst: 10_000, upkeepIntervalMs: 20 };
  fixture = await startCoordinator(home.path, { tls: "off" }, { limits, clock });
};
beforeEach(async () => {
  aheadMs = 0;
  home = await temporaryHome();
  await start();
  for (const [name, cidr4] of [
    ["humans", "10.86.128.0/20"],
    ["servers", "10.86.160.0/20"],
    ["db", "10.86.160.0/24"],
    ["web", "10.86.161.0/24"],
  ]) {
    expect((await fixture.admin.call("POST", "/v1/admin/cidrs", { name, cidr4 })).status).toBe(200);
  }
  await associate("humans", "db");
});
afterEach(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

type RuleAnswer = Answer<NetworkFilterEntry & { error: { code: string; message: string } }>;

const ANY = { action: "deny", protocol: "tcp", ports: "any", source: "any", destination: "any", comment: null };
const add = (rule: object, ttlSeconds: number | null = null): Promise<RuleAnswer> =>
  fixture.admin.call("POST", "/v1/admin/filter", { rule: { ...ANY, ...rule }, ttlSeconds });
const added = async (rule: object, ttlSeconds: number | null = null) => {
  const answer = await add(rule, ttlSeconds);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return answer.json;
};
const remove = (request: object): Promise<RuleAnswer> => fixture.admin.call("POST", "/v1/admin/filter/remove", request);
const list = async () => (await fixture.admin.call<NetworkFilterEntry[]>("GET", "/v1/admin/filter")).json;
const events = async () =>
  (await fixture.admin.call<AdminEvent[]>("GET", "/v1/admin/audit")).json.filter(({ action }) =>
    action.startsWith("filter."),
  );
const associate = (from: string, to: string) =>
  fixture.admin.call("POST", "/v1/admin/associations", { from, to, oneWay: false });
const change = (name: string, verb: string, body: object = {}) =>
  fixture.admin.call("POST", `/v1/admin/peers/${name}/${verb}`, body);

async function join(name: string, cidr: string, tags: string[] = []): Promise<TestKeys> {
  const keys = makeKeys();
  await fixture.client.register(keys, name, (await fixture.admin.createToken({ cidr, tags })).token);
  return keys;
}
const connect = async (name: string, cidr: string, tags: string[] = []): Promise<TestControl> =>
  fixture.client.connect(await join(name, cidr, tags));

/** `deny in tcp 22 from peer:bob to any`, as the peer is told. */
const told = (control: TestControl) =>
  control.map!.filterRules.map(
    ({ rule }) => `${rule.action} ${rule.direction} ${rule.ports} ${rule.source} > ${rule.destination}`,
  );
const toldOf = (control: TestControl, expected: readonly string[]) =>
  control.until(`the rules ${expected.join(", ")}`, () => JSON.stringify(told(control)) === JSON.stringify(expected));

describe("who is told of a rule of the network", () => {
  it("both ends are, each from its side, within a second, and no third", async () => {
    const [alice, db, web] = [
      await connect("alice", "humans"),
      await connect("db-1", "db"),
      await connect("web-1", "web"),
    ];
    await alice.until("the server", () => alice.peer("db-1")?.online === true);
    const before = web.messages.length;
    const { id } = await added({
      ports: "5432",
      source: "peer:alice",
      destination: "peer:db-1",
      comment: "until Monday",
    });
    await toldOf(alice, ["deny out 5432 peer:alice > peer:db-1"]);
    await toldOf(db, ["deny in 5432 peer:alice > peer:db-1"]);
    expect(alice.map!.filterRules[0]).toMatchObject({ id, expiresAt: null, rule: { comment: null, protocol: "tcp" } });
    expect(alice.messages.at(-1)).toMatchObject({ type: "delta", delta: { upserted: [], removed: [] } });
    expect((await remove({ id })).status).toBe(200);
    await toldOf(alice, []);
    await toldOf(db, []);
    expect(web.messages).toHaveLength(before);
    for (const control of [alice, db, web]) expect(control.brokenDelta).toBe(false);
  });

  it("tags and CIDRs mean those who are there at each moment", async () => {
    const [alice, bob, db] = [
      await connect("alice", "humans", ["guest"]),
      await connect("bob", "humans"),
      await connect("db-1", "db"),
    ];
    await added({ source: "tag:guest", destination: "cidr:db" });
    await toldOf(alice, ["deny out any tag:guest > cidr:db"]);
    await toldOf(db, ["deny in any tag:guest > cidr:db"]);
    expect(told(bob)).toEqual([]);
    await change("alice", "tags", { tags: [] });
    await toldOf(alice, []);
    await toldOf(db, []);
    expect((await list())[0]).toMatchObject({ note: "no peer has the tag guest" });
    await change("bob", "tags", { tags: ["guest"] });
    await toldOf(bob, ["deny out any tag:guest > cidr:db"]);
    await toldOf(db, ["deny in any tag:guest > cidr:db"]);
    await fixture.admin.call("DELETE", "/v1/admin/associations/humans/db");
    await toldOf(bob, []);
    await toldOf(db, []);
  });

  it("nobody learns a name that it does not see anyhow", async () => {
    const [alice, db, web] = [
      await connect("alice", "humans"),
      await connect("db-1", "db", ["secret-tag"]),
      await connect("web-1", "web", ["hidden-tag"]),
    ];
    await added({ destination: "peer:web-1", ports: "1" });
    await added({ destination: "tag:hidden-tag", ports: "2" });
    await added({ destination: "cidr:web", ports: "3" });
    // Of servers, alice sees db alone.
    await added({ destination: "cidr:servers", ports: "4" });
    await added({ destination: "cidr:10.86.161.0/24", ports: "5" });
    await added({ destination: "cidr:192.168.7.0/24", ports: "6", comment: "about web-1 and servers" });
    await added({ destination: "tag:secret-tag", ports: "7" });
    await toldOf(alice, [
      "deny out 4 any > cidr:db",
      "deny out 6 any > cidr:192.168.7.0/24",
      "deny in 6 any > cidr:192.168.7.0/24",
      "deny out 7 any > tag:secret-tag",
    ]);
    // A field of the map is called like one of the CIDRs.
    const messages = JSON.stringify(alice.messages).replaceAll('"servers":[]', "");
    for (const name of ["web-1", "hidden-tag", '"web"', ":web", "servers", "10.86.161.0"]) {
      expect(messages).not.toContain(name);
    }
    await db.until("its rules", () => told(db).some((rule) => rule.includes("secret-tag")));
    expect(told(db)).toContain("deny in 4 any > cidr:servers");
    await web.until("its rules", () => told(web).filter((rule) => rule.includes(" in ")).length === 6);
  });

  it("a disabled peer is named to nobody", async () => {
    const alice = await connect("alice", "humans");
    await join("db-1", "db");
    await added({ destination: "peer:db-1" });
    await toldOf(alice, ["deny out any any > peer:db-1"]);
    await change("db-1", "disable");
    await toldOf(alice, []);
    await change("db-1", "enable");
    await toldOf(alice, ["deny out any any > peer:db-1"]);
  });

  it("who was away learns it by a delta, and after a restart of the coordinator", async () => {
    const keys = await join("alice", "humans");
    await join("db-1", "db");
    const before = await fixture.client.connect(keys);
    await before.close();
    const { id } = await added({ ports: "22", source: "peer:alice" });
    const after = await fixture.client.connect(keys, before.map);
    expect(after.messages.map(({ type }) => type)).not.toContain("map");
    expect(told(after)).toEqual(["deny out 22 peer:alice > any"]);
    const held = after.map!;
    await after.close();
    // Nothing has changed: nothing is said.
    const idle = await fixture.client.connect(keys, held);
    expect(idle.messages.find(({ type }) => type === "delta")).not.toHaveProperty("delta.filterRules");
    await fixture.coordinator.close();
    await start();
    expect(told(await fixture.client.connect(keys))).toEqual(["deny out 22 peer:alice > any"]);
    expect((await list()).map((rule) => rule.id)).toEqual([id]);
  });
});

describe("the rules of the network", () => {
  it("are listed with all that they say, and audited", async () => {
    await join("alice", "humans");
    const rule = await added({ action: "reject", ports: "80-90", source: "peer:alice", comment: "no web" }, 3600);
    expect(rule).toMatchObject({ layer: "coordinator", action: "reject", protocol: "tcp", ports: "80-90", note: null });
    expect(rule).toMatchObject({ source: "peer:alice", destination: "any", comment: "no web" });
    expect(Date.parse(rule.expiresAt!) - Date.now()).toBeGreaterThan(3_590_000);
    expect(await list()).toEqual([rule]);
    expect((await remove({ match: { source: "peer:alice" } })).json).toEqual(rule);
    expect(await list()).toEqual([]);
    const { id, layer: _, note: __, ...said } = rule;
    expect(await events()).toMatchObject([
      { action: "filter.add", actor: "host", subject: id, before: null, after: said },
      { action: "filter.remove", actor: "host", subject: id, before: said, after: null },
    ]);
  });

  it("follow a rename, and go with the peer that they name", async () => {
    const alice = await connect("alice", "humans");
    const keys = await join("db-1", "db");
    await added({ source: "peer:alice", destination: "peer:db-1", ports: "1" });
    await added({ source: "cidr:humans", destination: "cidr:db", ports: "2" });
    await change("db-1", "rename", { to: "db-2" });
    await fixture.admin.call("POST", "/v1/admin/cidrs/db/rename", { to: "databases" });
    await toldOf(alice, ["deny out 1 peer:alice > peer:db-2", "deny out 2 cidr:humans > cidr:databases"]);
    expect((await list()).map(({ destination }) => destination)).toEqual(["peer:db-2", "cidr:databases"]);
    expect((await fixture.client.leave(keys)).status).toBe(200);
    await toldOf(alice, ["deny out 2 cidr:humans > cidr:databases"]);
    // Another machine of that name is not meant.
    await join("db-2", "databases");
    expect((await list()).map(({ ports }) => ports)).toEqual(["2"]);
    expect((await events()).at(-1)).toMatchObject({ action: "filter.remove", actor: "peer:db-2" });
  });

  it("keep the CIDR that they name", async () => {
    const { id } = await added({ source: "cidr:web" });
    const refused = await fixture.admin.call<RuleAnswer["json"]>("DELETE", "/v1/admin/cidrs/web");
    expect([refused.status, refused.json.error.code]).toEqual([409, "cidr-in-use"]);
    expect(refused.json.error.message).toContain(`filter rule ${id}`);
    await remove({ id });
    expect((await fixture.admin.call("DELETE", "/v1/admin/cidrs/web")).status).toBe(200);
  });

  it("go when their time is over, and not before, also over a restart", async () => {
    const alice = await connect("alice", "humans");
    await added({ ports: "1" }, 60);
    await added({ ports: "2" }, 3600);
    await toldOf(alice, ["deny out 1 any > any", "deny in 1 any > any", "deny out 2 any > any", "deny in 2 any > any"]);
    // The peer knows the time as well, and needs nobody to tell it that it has come.
    const times = (await list()).map(({ expiresAt }) => expiresAt!);
    expect(alice.map!.filterRules.map(({ expiresAt }) => expiresAt)).toEqual(times.flatMap((time) => [time, time]));
    aheadMs = 59_000;
    expect(await list()).toHaveLength(2);
    aheadMs = 61_000;
    await toldOf(alice, ["deny out 2 any > any", "deny in 2 any > any"]);
    expect((await list()).map(({ ports }) => ports)).toEqual(["2"]);
    await fixture.coordinator.close();
    aheadMs = 3_601_000;
    await start();
    expect(await list()).toEqual([]);
    await expect.poll(async () => (await events()).length).toBe(4);
    expect((await events()).at(-1)).toMatchObject({ action: "filter.expire", actor: "coordinator" });
  });

  it("let an expired one be said again at once", async () => {
    await added({ ports: "1" }, 1);
    aheadMs = 2000;
    await added({ ports: "1" });
    expect((await list()).map(({ expiresAt }) => expiresAt)).toEqual([null]);
  });

  it.each([
    [{ source: "peer:nobody" }, 404, "not-found", 'there is no peer "nobody"'],
    [{ destination: "cidr:nowhere" }, 404, "not-found", 'there is no CIDR "nowhere"'],
    [{ source: "tag:nothing" }, 404, "not-found", "no peer has the tag nothing"],
    [{ source: "peer:' OR 1=1 --" }, 400, "bad-request", "source"],
    [{ source: `peer:${"x".repeat(10_000)}` }, 400, "bad-request", "source"],
    [{ ports: "90-80" }, 400, "bad-request", "ports"],
    [{ ports: "22", protocol: "icmp" }, 400, "bad-request", "only tcp and udp have ports"],
    [{ direction: "in" }, 400, "bad-request", "rule: unknown fields"],
    [{ comment: "a\u0007b" }, 400, "bad-request", "comment"],
    [{ ports: "22" }, 409, "filter-rule-exists", "says the same: deny tcp 22 from any to any"],
  ])("refuse %.60j", async (rule, status, code, words) => {
    await added({ ports: "22" });
    const before = await list();
    const { status: answered, json } = await add(rule);
    expect([answered, json.error.code, json.error.message]).toEqual([status, code, expect.stringContaining(words)]);
    expect(await list()).toEqual(before);
  });

  it("refuse a time that is none, and a removal that could mean several", async () => {
    for (const ttl of [0, -60, 1.5, 1e12]) {
      const { status, json } = await add({}, ttl);
      expect([ttl, status, json.error.code]).toEqual([ttl, 400, "bad-request"]);
    }
    const [one, other] = [await added({ ports: "1" }), await added({ ports: "2" })];
    const { status, json } = await remove({ match: { action: "deny" } });
    expect([status, json.error.code]).toEqual([409, "filter-ambiguous"]);
    expect(json.error.message).toContain(one.id);
    expect(json.error.message).toContain(other.id);
    for (const request of [{ id: "00000000" }, { match: { ports: "3" } }]) {
      expect((await remove(request)).json.error.code).toBe("not-found");
    }
    expect(await list()).toHaveLength(2);
  });

  it("have exactly the one removed that is named", async () => {
    await join("alice", "humans");
    await join("bob", "humans");
    const rules = [
      await added({ ports: "22", source: "peer:alice" }),
      await added({ ports: "22", source: "peer:bob" }),
      await added({ ports: "22" }),
      await added({ ports: "23", source: "peer:bob" }),
    ];
    expect((await remove({ match: { ports: "22", source: "peer:bob" } })).json).toEqual(rules[1]);
    expect(await list()).toEqual([rules[0], rules[2], rules[3]]);
    expect((await remove({ id: rules[2]!.id })).json).toEqual(rules[2]);
    expect(await list()).toEqual([rules[0], rules[3]]);
  });

  it("take a tag that a token promises", async () => {
    await fixture.admin.createToken({ tags: ["soon"] });
    expect(await added({ source: "tag:soon" })).toMatchObject({ note: "no peer has the tag soon" });
  });
});

it("the policy is put to the test as it stands", async () => {
  const test = (text: string) =>
    fixture.admin.call<PolicyReport & RuleAnswer["json"]>("POST", "/v1/admin/policy/test", { text });
  await join("alice", "humans");
  await join("db-1", "db");
  expect((await test("accept humans -> db:5432/tcp")).json).toMatchObject({ holds: true, assertions: [{ pairs: 1 }] });
  const { id } = await added({ ports: "5432", source: "cidr:humans" }, 60);
  const { json } = await test("accept humans -> db:5432/tcp\ndeny db -> humans:5432/tcp\naccept db -> humans/icmp");
  expect(json.assertions.map(({ holds, violation }) => [holds, violation?.rule ?? null])).toEqual([
    [false, id],
    [false, null],
    [true, null],
  ]);
  aheadMs = 61_000;
  expect((await test("accept humans -> db:5432/tcp")).json.holds).toBe(true);
  for (const [text, code, words] of [
    ["accept humans -> nobody", "bad-assertions", "line 1: there is no peer, CIDR or tag nobody"],
    ["\u0000", "bad-assertions", "line 1: say"],
    ["x".repeat(48_001), "bad-request", "48,000 characters"],
  ] as const) {
    const refused = await test(text);
    expect([refused.status, refused.json.error.code]).toEqual([400, code]);
    expect(refused.json.error.message).toContain(words);
  }
});
