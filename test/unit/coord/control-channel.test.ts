import { connect as tcpConnect } from "node:net";
import path from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeKeys, type TestKeys } from "../../support/coordinator-client.ts";
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

async function join(name: string, cidr?: string): Promise<TestKeys> {
  const { client, admin } = fixture;
  const keys = makeKeys();
  await client.register(keys, name, (await admin.createToken(cidr === undefined ? {} : { cidr })).token);
  return keys;
}

describe("control channel", () => {
  it("goes from hello over welcome to the whole map", async () => {
    await start();
    const alice = await join("alice");
    const bob = await join("bob");
    const control = await fixture.client.connect(alice);
    expect(control.messages.map(({ type }) => type)).toEqual(["hello", "welcome", "map"]);
    expect(control.messages[1]).toMatchObject({ protocolVersion: 1, observedAddress: "127.0.0.1" });
    expect(control.map).toMatchObject({ self: { name: "alice" }, network: { name: "mesh" } });
    expect(control.map?.peers).toMatchObject([
      { name: "bob", online: false, endpoints: [], wireguardKey: bob.wireguardKey, machineKey: bob.machineKey },
    ]);
    const { ip4, ip6 } = control.map!.peers[0]!;
    expect(control.map!.peers[0]!.allowedIps).toEqual([`${ip4}/32`, `${ip6}/128`]);
    await control.close();
  });

  it("tells every change as a delta, and the change alone", async () => {
    await start();
    const alice = await join("alice");
    const bob = await join("bob");
    const a = await fixture.client.connect(alice);
    const b = await fixture.client.connect(bob);
    await a.until("bob online", () => a.peer("bob")?.online === true);
    b.send({ type: "endpoints", listenPort: 51820, endpoints: ["192.0.2.7:51820", "[2001:db8::7]:51820"] });
    await a.until("bob's endpoints", () => a.peer("bob")?.endpoints.length === 2);
    expect(a.peer("bob")?.endpoints).toEqual(["192.0.2.7:51820", "[2001:db8::7]:51820"]);
    const carol = await join("carol");
    await a.until("carol", () => a.peer("carol") !== undefined);
    await b.close();
    await a.until("bob offline", () => a.peer("bob")?.online === false);
    expect(a.peer("bob")?.lastSeenAt).toMatch(/Z$/);
    await fixture.client.leave(carol);
    await a.until("carol gone", () => a.peer("carol") === undefined);
    const deltas = a.messages.slice(3);
    expect(deltas.every(({ type }) => type === "delta")).toBe(true);
    for (const message of deltas) {
      if (message.type === "delta") expect(message.delta.upserted.length + message.delta.removed.length).toBe(1);
    }
    expect(a.brokenDelta).toBe(false);
    await a.close();
  });

  it("pushes a change within milliseconds", async () => {
    await start();
    const a = await fixture.client.connect(await join("alice"));
    const b = await fixture.client.connect(await join("bob"));
    await a.until("bob online", () => a.peer("bob")?.online === true);
    const tookMs: number[] = [];
    for (let port = 1000; port < 1010; port++) {
      const startMs = performance.now();
      b.send({ type: "endpoints", listenPort: port, endpoints: [`192.0.2.7:${port}`] });
      await a.until("the endpoint", () => a.peer("bob")?.endpoints[0] === `192.0.2.7:${port}`);
      tookMs.push(performance.now() - startMs);
    }
    // The push interval (50 ms) may hold a change back once; nothing else may.
    expect(tookMs.sort((x, y) => x - y)[5]).toBeLessThan(250);
  });

  it("coalesces a burst of changes", async () => {
    await start({ pushIntervalMs: 200, controlBurst: 1000 });
    const a = await fixture.client.connect(await join("alice"));
    const b = await fixture.client.connect(await join("bob"));
    await a.until("bob online", () => a.peer("bob")?.online === true);
    const before = a.mapMessages;
    for (let port = 1; port <= 100; port++) {
      b.send({ type: "endpoints", listenPort: port, endpoints: [`192.0.2.7:${port}`] });
    }
    await a.until("the last endpoint", () => a.peer("bob")?.endpoints[0] === "192.0.2.7:100");
    expect(a.mapMessages - before).toBeLessThan(20);
  });

  it("resumes with a delta from the version that the peer holds", async () => {
    await start();
    const alice = await join("alice");
    const bob = await join("bob");
    const first = await fixture.client.connect(alice);
    await first.close();
    await fixture.client.connect(bob);
    const second = await fixture.client.connect(alice, first.map);
    expect(second.messages.map(({ type }) => type)).toEqual(["hello", "welcome", "delta"]);
    expect(second.brokenDelta).toBe(false);
    expect(second.peer("bob")?.online).toBe(true);
    await second.close();
    const third = await fixture.client.connect(alice, second.map);
    const last = third.messages[2]!;
    expect(last).toMatchObject({
      type: "delta",
      delta: { fromVersion: second.map!.version, removed: [], upserted: [] },
    });
  });

  it("answers with a whole map when the version held is too old, of the future, or of an earlier run", async () => {
    await start({ changeHistory: 4 });
    const alice = await join("alice");
    const bob = await join("bob");
    const first = await fixture.client.connect(alice);
    await first.close();
    for (let i = 0; i < 6; i++) await (await fixture.client.connect(bob)).close();
    const second = await fixture.client.connect(alice, first.map);
    expect(second.messages.map(({ type }) => type)).toEqual(["hello", "welcome", "map"]);
    const future = await fixture.client.connect(alice, { ...second.map!, version: second.map!.version + 1000 });
    expect(future.messages[2]?.type).toBe("map");

    const { version } = future.map!;
    await fixture.coordinator.close();
    await start();
    const afterRestart = await fixture.client.connect(alice, future.map);
    expect(afterRestart.messages[2]?.type).toBe("map");
    expect(afterRestart.map!.version).toBeGreaterThan(version);
  });

  it("tells peers of one CIDR of each other and of infra, and no more; infra sees everybody", async () => {
    await start();
    const alice = await fixture.client.connect(await join("alice"));
    const relay = await fixture.client.connect(await join("relay", "infra"));
    await alice.until("relay", () => alice.peer("relay")?.online === true);
    expect(relay.peer("alice")?.cidr).toBe("members");
  });

  it("appends the address that it sees the peer at, except where that is of no use to others", async () => {
    await start();
    await fixture.coordinator.close();
    fixture = await startCoordinator(home.path, { tls: "off", trustedProxies: ["127.0.0.0/8"] });
    const a = await fixture.client.connect(await join("alice"));
    const bob = await join("bob");
    const behindProxy = fixture.client.openControl({ headers: { "x-forwarded-for": "203.0.113.1, 198.51.100.4" } });
    await behindProxy.authenticate(bob);
    await behindProxy.until("welcome", () => behindProxy.messages.length >= 2);
    expect(behindProxy.messages[1]).toMatchObject({ observedAddress: "198.51.100.4" });
    const useless = ["127.0.0.1:9", "[::1]:9", "10.86.64.9:9", "224.0.0.1:9", "[fe80::1%eth0]:9", "0.0.0.0:9"];
    behindProxy.send({ type: "endpoints", listenPort: 4000, endpoints: ["192.168.1.5:4000", ...useless] });
    await a.until("endpoints", () => (a.peer("bob")?.endpoints.length ?? 0) > 0);
    expect(a.peer("bob")?.endpoints).toEqual(["192.168.1.5:4000", "198.51.100.4:4000"]);
  });

  it("keeps endpoints and last-seen times over a restart", async () => {
    await start();
    const alice = await join("alice");
    const b = await fixture.client.connect(await join("bob"));
    b.send({ type: "endpoints", listenPort: 7, endpoints: ["192.0.2.7:7"] });
    const a = await fixture.client.connect(alice);
    await a.until("endpoints", () => a.peer("bob")?.endpoints.length === 1);
    await fixture.coordinator.close();
    await start();
    const again = await fixture.client.connect(alice);
    expect(again.peer("bob")).toMatchObject({ online: false, endpoints: ["192.0.2.7:7"] });
    expect(again.peer("bob")?.lastSeenAt).not.toBeNull();
  });
});

describe("control channel, hostile or broken peers", () => {
  it("ends a channel that is not authenticated in time", async () => {
    await start({ authenticateTimeoutMs: 100 });
    const control = fixture.client.openControl();
    await control.untilClosed();
    expect(control.rejection).toBe("timeout");
  });

  it("refuses unknown machines, wrong signatures and signatures over another nonce", async () => {
    await start();
    const alice = await join("alice");
    const unknown = fixture.client.openControl();
    await unknown.authenticate(makeKeys());
    await unknown.untilClosed();
    expect(unknown.rejection).toBe("not-registered");

    const forged = fixture.client.openControl();
    await forged.authenticate({ ...makeKeys(), machineKey: alice.machineKey });
    await forged.untilClosed();
    expect([forged.rejection, forged.closeCode]).toEqual(["proof-invalid", 1008]);

    const victim = fixture.client.openControl();
    let replayed = "";
    const send = victim.send.bind(victim);
    victim.send = (message) => {
      replayed = (message as { proof: string }).proof;
      send(message);
    };
    await victim.authenticate(alice);
    const replay = fixture.client.openControl();
    await replay.authenticate(alice, null, { proof: replayed });
    await replay.untilClosed();
    expect(replay.rejection).toBe("proof-invalid");
  });

  it("says which end is too old", async () => {
    await start();
    const control = fixture.client.openControl();
    await control.authenticate(await join("alice"), null, { protocol: { min: 2, max: 3 } });
    await control.untilClosed();
    const last = control.messages.at(-1);
    expect(last).toMatchObject({ type: "rejected", error: { code: "protocol-mismatch" } });
    expect(JSON.stringify(last)).toContain("coordinator is older");
  });

  it("refuses anything before authentication, a second authentication, and messages that are none", async () => {
    await start();
    const alice = await join("alice");
    const early = fixture.client.openControl();
    await early.hello();
    early.send({ type: "endpoints", listenPort: 1, endpoints: [] });
    await early.untilClosed();
    expect(early.rejection).toBe("bad-request");

    const twice = await fixture.client.connect(alice);
    await twice.authenticate(alice);
    await twice.untilClosed();
    expect(twice.rejection).toBe("bad-request");

    for (const garbage of ["", "{", "null", "[]", '"authenticate"', '{"type":1}', '{"type":"endpoints"}']) {
      const control = fixture.client.openControl();
      await control.hello();
      control.socket.send(garbage);
      await control.untilClosed();
      expect([garbage, control.rejection]).toEqual([garbage, "bad-request"]);
    }
    const binary = fixture.client.openControl();
    await binary.hello();
    binary.socket.send(Buffer.from("{}"));
    await binary.untilClosed();
    expect(binary.rejection).toBe("bad-request");
  });

  it("ignores messages of a type that a later version may have", async () => {
    await start();
    const control = await fixture.client.connect(await join("alice"));
    control.send({ type: "from-the-future", with: "fields" });
    control.send({ type: "endpoints", listenPort: 9, endpoints: ["192.0.2.9:9"] });
    const other = await fixture.client.connect(await join("bob"));
    await other.until("endpoints", () => other.peer("alice")?.endpoints[0] === "192.0.2.9:9");
    expect(control.closeCode).toBeUndefined();
  });

  it("cuts a message that is too large", async () => {
    await start();
    const control = await fixture.client.connect(await join("alice"));
    control.socket.send(`{"type":"endpoints","listenPort":1,"endpoints":["${"x".repeat(70_000)}"]}`);
    await control.untilClosed();
    expect(control.closeCode).toBe(1009);
  });

  it("cuts a peer that floods, by messages or by pings", async () => {
    await start({ controlBurst: 10, controlMessagesPerSecond: 1 });
    const talker = await fixture.client.connect(await join("alice"));
    for (let i = 1; i < 20; i++) talker.send({ type: "endpoints", listenPort: i, endpoints: [] });
    await talker.untilClosed();
    expect(talker.rejection).toBe("rate-limited");
    const pinger = await fixture.client.connect(await join("bob"));
    for (let i = 1; i < 20; i++) pinger.socket.ping();
    await pinger.untilClosed();
    expect(pinger.rejection).toBe("rate-limited");
  });

  it("bounds the channels that have not authenticated, by source", async () => {
    await start({ unauthenticatedChannelsPerAddress: 3 });
    const alice = await join("alice");
    const waiting = Array.from({ length: 3 }, () => fixture.client.openControl());
    await Promise.all(waiting.map((control) => control.hello()));
    const refused = fixture.client.openControl();
    await refused.untilClosed();
    expect(refused.messages).toEqual([]);
    await waiting[0]!.close();
    const control = await fixture.client.connect(alice);
    expect(control.map?.self.name).toBe("alice");
  });

  it("lets the newer of two connections of one peer live, without a flicker of its presence", async () => {
    await start();
    const alice = await join("alice");
    const watcher = await fixture.client.connect(await join("bob"));
    const older = await fixture.client.connect(alice);
    await watcher.until("alice online", () => watcher.peer("alice")?.online === true);
    const newer = await fixture.client.connect(alice);
    await older.untilClosed();
    expect(older.rejection).toBe("control-replaced");
    newer.send({ type: "endpoints", listenPort: 5, endpoints: ["192.0.2.1:5"] });
    await watcher.until("endpoints", () => watcher.peer("alice")?.endpoints.length === 1);
    const sightings = watcher.messages.flatMap((message) => (message.type === "delta" ? message.delta.upserted : []));
    expect(sightings.filter(({ name, online }) => name === "alice" && !online)).toEqual([]);
  });

  it("ends the channel of a peer that leaves", async () => {
    await start();
    const alice = await join("alice");
    const control = await fixture.client.connect(alice);
    await fixture.client.leave(alice);
    await control.untilClosed();
    expect(control.rejection).toBe("not-registered");
  });

  it("refuses a disabled peer, on the channel and when it registers again", async () => {
    await start();
    const alice = await join("alice");
    await join("bob");
    await fixture.coordinator.close();
    const database = new Database(path.join(home.path, "coordinator", "coordinator.db"));
    database.exec("UPDATE peers SET state = 'disabled' WHERE name = 'alice'");
    database.close();
    await start();
    const control = fixture.client.openControl();
    await control.authenticate(alice);
    await control.untilClosed();
    expect(control.rejection).toBe("peer-disabled");
    const answer = await fixture.client.tryRegister(alice, "alice");
    expect([answer.status, answer.json.error.code]).toEqual([403, "peer-disabled"]);
    const states = (await fixture.admin.listPeers()).map(({ name, state }) => [name, state]);
    expect(states).toEqual([
      ["alice", "disabled"],
      ["bob", "active"],
    ]);
    const watcher = await fixture.client.connect(await join("carol"));
    expect(watcher.map?.peers.map(({ name }) => name)).toEqual(["bob"]);
  });

  it("finds out that a peer is gone without a word", async () => {
    await start({ pingIntervalMs: 50, silenceMs: 300, authenticateTimeoutMs: 60_000 });
    const watcher = await fixture.client.connect(await join("bob"));
    const control = await fixture.client.connect(await join("alice"));
    await watcher.until("alice online", () => watcher.peer("alice")?.online === true);
    control.socket.pause();
    await watcher.until("alice offline", () => watcher.peer("alice")?.online === false);
    control.socket.terminate();
  });

  it("cuts a reader that is stuck for too long; back again, it goes on with a delta", async () => {
    await start({
      pushIntervalMs: 0,
      controlBurst: 100_000,
      changeHistory: 100_000,
      sendTimeoutMs: 300,
      pingIntervalMs: 50,
      silenceMs: 60_000,
    });
    const keys = await join("stuck");
    const stuck = await fixture.client.connect(keys);
    const watcher = await fixture.client.connect(await join("watcher"));
    const names = Array.from({ length: 8 }, (_, i) => `talker-${i}`);
    const talkers = await Promise.all(names.map(async (name) => fixture.client.connect(await join(name))));
    await stuck.until("all online", () => names.every((name) => stuck.peer(name)?.online === true));
    const held = stuck.map;
    stuck.socket.pause();
    const padding = Array.from({ length: 31 }, (_, i) => `[2001:db8:ffff:ffff:ffff:ffff:ffff:${i}]:65535`);
    // More than the kernel holds for one connection, one delta after the other: each is made when the last one left.
    for (let port = 1; watcher.peer("stuck")?.online !== false && port < 60_000; port++) {
      const endpoint = `192.0.2.7:${port}`;
      for (const talker of talkers) {
        talker.send({ type: "endpoints", listenPort: port, endpoints: [endpoint, ...padding] });
      }
      await watcher.until("the endpoints", () => names.every((name) => watcher.peer(name)?.endpoints[0] === endpoint));
    }
    expect(watcher.peer("stuck")?.online).toBe(false);
    stuck.socket.terminate();
    const again = await fixture.client.connect(keys, held);
    expect(again.messages[2]?.type).toBe("delta");
    expect(again.brokenDelta).toBe(false);
    for (const name of names) expect(again.peer(name)).toEqual(watcher.peer(name));
  }, 60_000);

  it("answers an upgrade on another path, and a garbled one, with an error body", async () => {
    await start();
    const port = Number(new URL(fixture.client.url).port);
    const raw = (text: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = tcpConnect(port, "127.0.0.1", () => socket.write(text));
        let answer = "";
        socket.on("data", (chunk) => (answer += chunk));
        socket.on("end", () => resolve(answer));
        socket.on("error", reject);
      });
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nHost: x\r\n";
    const elsewhere = await raw(`GET /v1/else HTTP/1.1\r\n${upgrade}\r\n`);
    expect(elsewhere).toMatch(/^HTTP\/1\.1 404 /);
    expect(JSON.parse(elsewhere.split("\r\n\r\n")[1]!).error.code).toBe("not-found");
    expect(await raw(`GET /v1/control HTTP/1.1\r\n${upgrade}\r\n`)).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(await raw("nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
  });
});
