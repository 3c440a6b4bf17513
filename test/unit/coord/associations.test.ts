import { afterEach, beforeEach, expect, it } from "vitest";
import type { Association } from "../../../src/api/admin-cidrs.ts";
import { type Answer, makeKeys, type TestControl } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;

const start = async () => {
  fixture = await startCoordinator(home.path, { tls: "off" }, { limits: { challengeBurst: 10_000 } });
};
beforeEach(async () => {
  home = await temporaryHome();
  await start();
  for (const [name, cidr4] of [
    ["humans", "10.86.128.0/20"],
    ["servers", "10.86.160.0/20"],
    ["db", "10.86.160.0/24"],
    ["web", "10.86.161.0/24"],
    ["robots", "10.86.192.0/24"],
  ]) {
    expect((await fixture.admin.call("POST", "/v1/admin/cidrs", { name, cidr4 })).status).toBe(200);
  }
});
afterEach(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

type AssociationAnswer = Answer<Association & { error: { code: string; message: string } }>;

const add = (from: string, to: string, oneWay = false): Promise<AssociationAnswer> =>
  fixture.admin.call("POST", "/v1/admin/associations", { from, to, oneWay });
const remove = (from: string, to: string): Promise<AssociationAnswer> =>
  fixture.admin.call("DELETE", `/v1/admin/associations/${from}/${to}`);
const list = async () => (await fixture.admin.call<Association[]>("GET", "/v1/admin/associations")).json;

async function connect(name: string, cidr: string): Promise<TestControl> {
  const keys = makeKeys();
  await fixture.client.register(keys, name, (await fixture.admin.createToken({ cidr })).token);
  return fixture.client.connect(keys);
}

const seenBy = (control: TestControl) =>
  Object.fromEntries(control.map!.peers.map(({ name, mayStart }) => [name, mayStart ?? "both"]));
const cidrsOf = (control: TestControl) => control.map!.cidrs.map(({ name }) => name);

it("opens two CIDRs with all they hold to each other, not to third ones, and closes them again", async () => {
  const [alice, db, web, robot, relay] = [
    await connect("alice", "humans"),
    await connect("db-1", "db"),
    await connect("web-1", "web"),
    await connect("robot", "robots"),
    await connect("relay", "infra"),
  ];
  await robot.until("the relay", () => robot.peer("relay") !== undefined);
  expect(seenBy(robot)).toEqual({ relay: "both" });
  expect(cidrsOf(robot)).toEqual(["root", "infra", "robots"]);
  expect((await add("humans", "servers")).json).toEqual({ from: "humans", to: "servers", oneWay: false });
  expect((await add("robots", "db", true)).json).toEqual({ from: "robots", to: "db", oneWay: true });
  await robot.until("db-1", () => robot.peer("db-1") !== undefined);
  await alice.until("both servers", () => alice.map?.peers.length === 3);
  await db.until("alice and the robot", () => db.map?.peers.length === 3);
  await web.until("alice", () => web.map?.peers.length === 2);
  expect(seenBy(alice)).toEqual({ relay: "both", "db-1": "both", "web-1": "both" });
  expect(seenBy(db)).toEqual({ relay: "both", alice: "both", robot: "peer" });
  expect(seenBy(web)).toEqual({ relay: "both", alice: "both" });
  expect(seenBy(robot)).toEqual({ relay: "both", "db-1": "self" });
  expect(cidrsOf(alice)).toEqual(["root", "infra", "humans", "servers", "db", "web"]);
  expect(cidrsOf(robot)).toEqual(["root", "infra", "db", "robots"]);
  expect(cidrsOf(relay)).toEqual(["root", "infra", "members", "humans", "servers", "db", "web", "robots"]);
  const held = robot.map!;

  // The order of the two is no matter.
  expect((await remove("servers", "humans")).json).toEqual({ from: "humans", to: "servers", oneWay: false });
  expect((await remove("robots", "db")).status).toBe(200);
  await robot.until("the db is gone", () => robot.peer("db-1") === undefined);
  await alice.until("the servers are gone", () => alice.map?.peers.length === 1);
  expect(cidrsOf(robot)).toEqual(["root", "infra", "robots"]);
  expect(await list()).toEqual([]);
  // Nobody was told of others on the way: not the robot of humans, not web of robots.
  for (const [control, others] of [
    [robot, ["alice", "web-1", "humans"]],
    [web, ["robot", "db-1"]],
  ] as const) {
    for (const other of others) expect(JSON.stringify(control.messages)).not.toContain(`"name":"${other}"`);
  }
  expect(held.peers).toHaveLength(2);
  for (const control of [alice, db, web, robot, relay]) expect(control.brokenDelta).toBe(false);
});

it("takes a peer that was away to the same by a delta, and is there after a restart", async () => {
  const keys = makeKeys();
  await fixture.client.register(keys, "robot", (await fixture.admin.createToken({ cidr: "robots" })).token);
  await connect("db-1", "db");
  const before = await fixture.client.connect(keys);
  await before.close();
  await add("robots", "servers", true);
  const after = await fixture.client.connect(keys, before.map);
  expect(after.messages.some(({ type }) => type === "map")).toBe(false);
  expect(seenBy(after)).toEqual({ "db-1": "self" });
  await fixture.coordinator.close();
  await start();
  expect(seenBy(await fixture.client.connect(keys))).toEqual({ "db-1": "self" });
  expect(await list()).toEqual([{ from: "robots", to: "servers", oneWay: true }]);
});

it("may join a CIDR with one that holds it", async () => {
  const [alice, db] = [await connect("alice", "humans"), await connect("db-1", "db")];
  expect((await add("root", "db", true)).status).toBe(200);
  await alice.until("the db", () => alice.peer("db-1") !== undefined);
  await db.until("alice", () => db.peer("alice") !== undefined);
  expect([seenBy(alice), seenBy(db)]).toEqual([{ "db-1": "self" }, { alice: "peer" }]);
});

it.each([
  ["humans", "humans", 400, "bad-association", "humans cannot be associated with itself"],
  ["humans", "infra", 400, "bad-association", "everybody sees infra as it is"],
  ["infra", "humans", 400, "bad-association", "everybody sees infra as it is"],
  ["humans", "nobody", 404, "not-found", 'there is no CIDR "nobody"'],
  ["no body", "humans", 400, "bad-name", "from"],
  ["humans", "' OR 1=1 --", 400, "bad-name", "to"],
  ["x".repeat(10_000), "humans", 400, "bad-name", "from"],
  ["robots", "servers", 409, "association-exists", "robots and servers are associated already, one way, from robots"],
  ["servers", "robots", 409, "association-exists", "servers and robots are associated already, one way, from robots"],
])("%.20s with %.20s is refused", async (from, to, status, code, words) => {
  await add("robots", "servers", true);
  const before = await list();
  const { status: answered, json } = await add(from, to);
  expect([answered, json.error.code, json.error.message]).toEqual([status, code, expect.stringContaining(words)]);
  expect(await list()).toEqual(before);
});

it("what is not there cannot be deleted", async () => {
  await add("robots", "servers", true);
  for (const [from, to] of [
    ["robots", "humans"],
    ["robots", "nobody"],
    ["robots", "robots"],
  ] as const) {
    const { status, json } = await remove(from, to);
    expect([status, json.error.code]).toEqual([404, "not-found"]);
  }
  expect(await list()).toHaveLength(1);
});
