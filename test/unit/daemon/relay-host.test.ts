import { createPrivateKey } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { decodeJoinToken } from "../../../src/api/join-token.ts";
import { relayServerName } from "../../../src/api/relay.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { Redactor } from "../../../src/base/redactor.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { openSecureSocket } from "../../../src/control/secure-socket.ts";
import { RelayHost } from "../../../src/daemon/relay-host/relay-host.ts";
import type { RelayPlan } from "../../../src/daemon/relay-host/relay-plan.ts";
import { plainSocket } from "../../../src/host/tcp.ts";
import { RelayClient } from "../../../src/transports/relay/relay-client.ts";
import { call, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";
import { freeTcpPort } from "../../support/free-tcp-port.ts";

const redactor = new Redactor();
const deps = { logger: silentLogger, redactor, clock: systemClock };

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
let caPem: string;
const open: AsyncDisposable[] = [];

beforeEach(async () => {
  home = await temporaryHome();
  fixture = await startCoordinator(home.path);
  caPem = (await fixture.client.call("GET", "/v1/ca")).text;
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

function plan(overrides: Partial<RelayPlan> = {}): RelayPlan {
  return {
    home: { stateDirectory: home.path, socketDirectory: home.path },
    servers: undefined,
    token: undefined,
    name: "berlin",
    listen: ["127.0.0.1:0"],
    stunListen: [],
    stunMayFail: false,
    metricsListen: [],
    publicUrls: [],
    tls: "auto",
    trustedProxies: [],
    limits: {},
    ...overrides,
  };
}

async function firstStart(): Promise<RelayHost> {
  const { token: text } = await fixture.admin.createToken({ relay: true });
  return started(plan({ token: { text, fields: decodeJoinToken(text) } }));
}

async function started(how: RelayPlan): Promise<RelayHost> {
  const relay = await RelayHost.start(how, deps);
  open.push(relay);
  return relay;
}

async function stop(relay: RelayHost): Promise<void> {
  open.splice(open.indexOf(relay), 1);
  await relay[Symbol.asyncDispose]();
}

class Peer {
  readonly keys = PeerKeys.generate();
  readonly received: string[] = [];
  client: RelayClient | undefined;

  /** As the coordinator knows it. */
  static async register(name: string): Promise<Peer> {
    const peer = new Peer();
    const { token } = await fixture.admin.createToken();
    await fixture.client.register(peer.testKeys, name, token);
    return peer;
  }

  get testKeys(): TestKeys {
    return testKeysOf(this.keys);
  }

  connect(relay: RelayHost): void {
    const { relayId, network } = relay.enrolment;
    const security = { kind: "named", caPem, serverName: relayServerName(relayId) } as const;
    this.client = new RelayClient(
      { url: relay.urls[0]!, networkId: network.id, relayId, keys: this.keys },
      { onDatagram: (_, datagram) => this.received.push(Buffer.from(datagram).toString()), onChange: () => undefined },
      {
        ...deps,
        connect: (signal, url) => openSecureSocket(url, security, plainSocket, signal),
        limits: { firstRetryMs: 20, lastRetryMs: 50 },
      },
    );
    open.push(this.client);
  }

  get refusal(): string | undefined {
    return this.client?.state.error?.code;
  }

  send(to: Peer, text: string): void {
    this.client?.send(to.keys.wireguardKey, Buffer.from(text));
  }
}

function testKeysOf(keys: PeerKeys): TestKeys {
  const [seed, wireguard] = [keys.exportMachineSeed(), keys.exportWireguardPrivate()];
  return {
    machine: importPrivate("302e020100300506032b657004220420", seed),
    wireguard: importPrivate("302e020100300506032b656e04220420", wireguard),
    machineKey: keys.machineKey,
    wireguardKey: keys.wireguardKey,
  };
}

function importPrivate(prefix: string, raw: Uint8Array) {
  const key = Buffer.concat([Buffer.from(prefix, "hex"), raw]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** Waits until what `from` sends arrives at `to`. */
async function reaches(from: Peer, to: Peer, text: string): Promise<void> {
  await vi.waitFor(
    () => {
      from.send(to, text);
      expect(to.received).toContain(text);
    },
    { timeout: 5000, interval: 20 },
  );
}

const connected = (peer: Peer) => vi.waitFor(() => expect(peer.client?.state.connected).toBe(true), 5000);
const refused = (peer: Peer) => vi.waitFor(() => expect(peer.refusal).toBe("not-registered"), 5000);

describe("a stand-alone relay", () => {
  it("forwards as the policy says: who comes may at once, who leaves is cut", async () => {
    const alice = await Peer.register("alice");
    const relay = await firstStart();
    const bob = await Peer.register("bob");
    for (const peer of [alice, bob]) peer.connect(relay);
    await reaches(alice, bob, "hello");
    await reaches(bob, alice, "hello yourself");
    await fixture.client.leave(bob.testKeys);
    await refused(bob);
    alice.send(bob, "gone");
    await vi.waitFor(() => expect(alice.client?.isOpenTo(bob.keys.wireguardKey)).toBe(false));
    expect(bob.received).not.toContain("gone");
  });

  it("starts from the policy on its disk while the coordinator is away, and is told of a removal when it is back", async () => {
    const [alice, bob] = [await Peer.register("alice"), await Peer.register("bob")];
    const first = await firstStart();
    for (const peer of [alice, bob]) peer.connect(first);
    await reaches(alice, bob, "before");
    await stop(first);
    const port = new URL(fixture.coordinator.urls[0]!).port;
    await fixture.coordinator.close();

    const second = await started(plan({ listen: [`127.0.0.1:${new URL(first.urls[0]!).port}`] }));
    expect(second.enrolment).toEqual(first.enrolment);
    await reaches(alice, bob, "without the coordinator");
    await stop(second);

    fixture = await startCoordinator(home.path, { listen: [`127.0.0.1:${port}`] });
    await fixture.client.leave(bob.testKeys);
    const third = await started(plan({ listen: [`127.0.0.1:${new URL(first.urls[0]!).port}`] }));
    await refused(bob);
    await connected(alice);
    expect(third.urls).toEqual(first.urls);
  });

  it("keeps what it has to keep to itself, and one of it runs in a home", async () => {
    await firstStart();
    const directory = join(home.path, "relay");
    await vi.waitFor(async () => expect(await readdir(directory)).toContain("policy.json"));
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const file of ["key.json", "tls.json", "policy.json", "enrolment.json", "lock"]) {
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
    }
    await expect(RelayHost.start(plan(), deps)).rejects.toMatchObject({ code: "already-running" });
  });

  it("has its key hidden in the log, and takes up where metrics are served while it runs", async () => {
    const relay = await firstStart();
    const { machinePrivateKey } = JSON.parse(await readFile(join(home.path, "relay", "key.json"), "utf8"));
    expect(redactor.redact(`the key ${machinePrivateKey} is here`)).toBe("the key [hidden] is here");
    const port = await freeTcpPort();
    await relay.reconfigure({ tlsFiles: undefined, trustedProxies: [], metricsListen: [`127.0.0.1:${port}`] });
    // As soon as the coordinator has told it of its peers.
    await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${port}/readyz`)).ok).toBe(true));
  });

  it("sets a damaged policy aside, and is told it anew", async () => {
    const [alice, bob] = [await Peer.register("alice"), await Peer.register("bob")];
    await stop(await firstStart());
    const file = join(home.path, "relay", "policy.json");
    await writeFile(file, "{");
    const relay = await started(plan());
    for (const peer of [alice, bob]) peer.connect(relay);
    await reaches(alice, bob, "all is well");
    await vi.waitFor(async () => expect(JSON.parse(await readFile(file, "utf8")).policy.peers).toHaveLength(2));
    expect((await readdir(join(home.path, "relay"))).filter((name) => name.includes("corrupt"))).toHaveLength(1);
  });

  it("ends when it is removed, and serves nobody after that, even where the coordinator is away", async () => {
    const alice = await Peer.register("alice");
    const relay = await firstStart();
    alice.connect(relay);
    await connected(alice);
    expect((await fixture.admin.call("DELETE", "/v1/admin/relays/berlin")).status).toBe(200);
    await expect(relay.ended).rejects.toMatchObject({ code: "not-registered" });
    await refused(alice);
    await stop(relay);
    await expect(RelayHost.start(plan(), deps)).rejects.toMatchObject({ code: "token-required" });
    await fixture.coordinator.close();
    await started(plan({ listen: [`127.0.0.1:${new URL(relay.urls[0]!).port}`] }));
    await refused(alice);
  });

  it("is no coordinator: certificate, requests and other WebSockets", async () => {
    const relay = await firstStart();
    const url = relay.urls[0]!;
    const asRelay = { ca: caPem, servername: relayServerName(relay.enrolment.relayId) };
    expect((await call({ url: `${url}/healthz`, tls: asRelay })).json).toEqual({ status: "ok" });
    expect((await call({ url: `${url}/v1/info`, tls: asRelay })).status).toBe(404);
    await expect(call({ url: `${url}/healthz`, tls: { ca: caPem, servername: "mesh-coordinator" } })).rejects.toThrow(
      /altnames/,
    );
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/control`, asRelay);
    const status = await new Promise((resolve) => {
      socket.on("unexpected-response", (_request, response) => resolve(response.statusCode));
      socket.on("error", resolve);
    });
    expect(status).toBe(404);
  });

  it("needs a token that makes it one", async () => {
    await expect(RelayHost.start(plan(), deps)).rejects.toMatchObject({ code: "bad-usage" });
    const { token: text } = await fixture.admin.createToken();
    const withToken = plan({ token: { text, fields: decodeJoinToken(text) } });
    await expect(RelayHost.start(withToken, deps)).rejects.toMatchObject({ code: "token-wrong-kind" });
  });
});
