import path from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeKeys, type TestControl, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;

beforeEach(async () => {
  home = await temporaryHome();
});
afterEach(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

async function start(limits: object = {}): Promise<void> {
  fixture = await startCoordinator(home.path, { tls: "off" }, { limits: { challengeBurst: 10_000, ...limits } });
}

async function connect(name: string, cidr?: string): Promise<{ keys: TestKeys; control: TestControl }> {
  const keys = makeKeys();
  const { token } = await fixture.admin.createToken(cidr === undefined ? {} : { cidr });
  await fixture.client.register(keys, name, token);
  return { keys, control: await fixture.client.connect(keys) };
}

const callsOf = ({ messages }: TestControl) => messages.filter((message) => message.type === "call");

/** Everything sent before has been dealt with when another peer has seen this. */
async function settle(from: TestControl, name: string, witness: TestControl): Promise<void> {
  const port = 1 + Math.floor(Math.random() * 65_000);
  from.send({ type: "endpoints", listenPort: port, endpoints: [] });
  from.send({ type: "endpoints", listenPort: port, endpoints: [`198.51.100.1:${port}`] });
  await witness.until("the witness", () => witness.peer(name)?.endpoints[0] === `198.51.100.1:${port}`);
}

it("a call reaches who is called, with the caller's latest endpoints, and nobody else", async () => {
  await start();
  const [alice, bob, carol] = [await connect("alice"), await connect("bob"), await connect("carol")];
  alice.control.send({ type: "endpoints", listenPort: 7, endpoints: ["192.0.2.7:7", "10.86.0.9:7"] });
  alice.control.send({ type: "call", peers: [bob.keys.wireguardKey, bob.keys.wireguardKey] });
  await bob.control.until("the call", () => callsOf(bob.control).length > 0);
  // Neither the address inside the mesh nor the loopback one that the coordinator sees is of use to others.
  const call = { type: "call", peer: alice.keys.wireguardKey, endpoints: ["192.0.2.7:7"] };
  await settle(alice.control, "alice", carol.control);
  expect(callsOf(bob.control)).toEqual([call]);
  expect([...callsOf(carol.control), ...callsOf(alice.control)]).toEqual([]);
});

it("calls go only between peers that see each other, and to no stranger", async () => {
  await start();
  await fixture.coordinator.close();
  const database = new Database(path.join(home.path, "coordinator", "coordinator.db"));
  database.exec(`INSERT INTO cidrs (name, cidr4, cidr6, parent_id, enabled, role, next_host, created_at)
    SELECT 'robots', '10.86.200.0/24', 'fd00:0:0:9::/64', id, 1, NULL, 1, 0 FROM cidrs WHERE role = 'root'`);
  database.close();
  await start();
  const [alice, robot, relay] = [
    await connect("alice"),
    await connect("robot", "robots"),
    await connect("relay", "infra"),
  ];
  const peers = [robot.keys.wireguardKey, makeKeys().wireguardKey, alice.keys.wireguardKey, relay.keys.wireguardKey];
  alice.control.send({ type: "call", peers });
  await relay.control.until("the call", () => callsOf(relay.control).length > 0);
  expect([...callsOf(robot.control), ...callsOf(alice.control)]).toEqual([]);
});

it("calls are limited, by caller and by callee, without harm to the channel", async () => {
  await start({ callBurst: 3, callsPerSecond: 0 });
  const [alice, bob, carol] = [await connect("alice"), await connect("bob"), await connect("carol")];
  const call = (to: TestKeys) => ({ type: "call", peers: [to.wireguardKey] });
  for (let i = 0; i < 2; i++) alice.control.send(call(bob.keys));
  await settle(alice.control, "alice", carol.control);
  for (let i = 0; i < 3; i++) carol.control.send(call(bob.keys));
  for (let i = 0; i < 3; i++) alice.control.send(call(carol.keys));
  await settle(carol.control, "carol", alice.control);
  await settle(alice.control, "alice", carol.control);
  expect(callsOf(bob.control)).toHaveLength(3);
  expect(callsOf(carol.control)).toHaveLength(1);
  expect([alice, bob, carol].map(({ control }) => control.closeCode)).toEqual([undefined, undefined, undefined]);
});

it("refuses a call of too many peers, or of what are no keys", async () => {
  await start();
  for (const peers of [[], ["bob"], Array.from({ length: 65 }, () => makeKeys().wireguardKey)]) {
    const { control } = await connect(`peer-${peers.length}`);
    control.send({ type: "call", peers });
    await control.untilClosed();
    expect(control.rejection).toBe("bad-request");
  }
});
