import { sign } from "node:crypto";
import { type AddressInfo, connect } from "node:net";
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from "node:tls";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { COORDINATOR_RELAY_ID } from "../../../src/api/relay.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { relayUpgrade } from "../../../src/cli/running/relay-upgrade.ts";
import { createAuthority, issueServerCertificate } from "../../../src/coord/certificates/ca.ts";
import { RelayClient } from "../../../src/transports/relay/relay-client.ts";
import { makeKeys, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";
import { soon } from "../../support/soon.ts";

vi.setConfig({ testTimeout: 30_000 });

interface OpenClient {
  readonly client: RelayClient;
  readonly received: string[];
}

/** The relay as `mesh serve` runs it: in a real coordinator, over TLS, with the coordinator's policy. */
describe("the relay inside a coordinator", () => {
  let home: Awaited<ReturnType<typeof temporaryHome>>;
  let fixture: CoordinatorFixture;
  let networkId: string;
  const clients: RelayClient[] = [];

  beforeEach(async () => {
    home = await temporaryHome();
    fixture = await startCoordinator(home.path, {}, { upgrades: relayUpgrade(undefined, silentLogger) });
    networkId = fixture.coordinator.network.id;
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
    await fixture.coordinator.close();
    await home[Symbol.asyncDispose]();
  });

  async function join(name: string): Promise<TestKeys> {
    const keys = makeKeys();
    const { token } = await fixture.admin.createToken();
    await fixture.client.register(keys, name, token);
    return keys;
  }

  function open(keys: TestKeys, by: { url: string; dial: () => Promise<TLSSocket> } = straight()): OpenClient {
    const received: string[] = [];
    const { url, dial } = by;
    const client = new RelayClient(
      {
        url,
        networkId,
        relayId: COORDINATOR_RELAY_ID,
        keys: {
          machineKey: keys.machineKey,
          sign: (message) => sign(null, message, keys.machine).toString("base64"),
        },
      },
      { onDatagram: (_, datagram) => received.push(Buffer.from(datagram).toString()), onChange: () => undefined },
      {
        connect: dial,
        clock: systemClock,
        logger: silentLogger,
        limits: { firstRetryMs: 20, lastRetryMs: 50 },
      },
    );
    clients.push(client);
    return { client, received };
  }

  function straight() {
    const { url, tls } = fixture.client;
    return { url, dial: () => dialTls(Number(new URL(url).port), tls) };
  }

  it("carries datagrams between two peers that have joined, and is announced to them", async () => {
    const [aliceKeys, bobKeys] = [await join("alice"), await join("bob")];
    const [alice, bob] = [open(aliceKeys), open(bobKeys)];
    await soon(() => expect(alice.client.state.connected && bob.client.state.connected).toBe(true));
    alice.client.send(bobKeys.wireguardKey, Buffer.from("through the coordinator"));
    await soon(() => expect(bob.received).toEqual(["through the coordinator"]));

    const control = await fixture.client.connect(aliceKeys);
    expect(control.messages.find(({ type }) => type === "welcome")).toMatchObject({ services: { relay: true } });
    await control.close();
  });

  it("turns a machine away that has not joined", async () => {
    const stranger = open(makeKeys());
    await soon(() => expect(stranger.client.state.error?.code).toBe("not-registered"));
  });

  it("cuts a peer in the moment in which it leaves the network", async () => {
    const [aliceKeys, bobKeys] = [await join("alice"), await join("bob")];
    const [alice, bob] = [open(aliceKeys), open(bobKeys)];
    await soon(() => expect(alice.client.state.connected && bob.client.state.connected).toBe(true));
    await fixture.client.leave(bobKeys);
    await soon(() => expect(bob.client.state.error?.code).toBe("not-registered"));
    alice.client.send(bobKeys.wireguardKey, Buffer.from("too late"));
    await soon(() => expect(alice.client.isOpenTo(bobKeys.wireguardKey)).toBe(false));
    expect(bob.received).toEqual([]);
  });

  it("cuts a disabled peer, and does not let it back until it is enabled", async () => {
    const [aliceKeys, bobKeys] = [await join("alice"), await join("bob")];
    const [alice, bob] = [open(aliceKeys), open(bobKeys)];
    await soon(() => expect(alice.client.state.connected && bob.client.state.connected).toBe(true));
    await fixture.admin.call("POST", "/v1/admin/peers/bob/disable", {});
    await soon(() => expect(bob.client.state.error?.code).toBe("not-registered"));
    const again = open(bobKeys);
    await soon(() => expect(again.client.state.error?.code).toBe("not-registered"));
    expect([bob.client.state.connected, again.client.state.connected]).toEqual([false, false]);
    await bob.client.close();
    await fixture.admin.call("POST", "/v1/admin/peers/bob/enable", {});
    await soon(() => expect(again.client.state.connected).toBe(true));
    alice.client.send(bobKeys.wireguardKey, Buffer.from("welcome back"));
    await soon(() => expect(again.received).toEqual(["welcome back"]));
  });

  it("ends with the coordinator, and serves again with it", async () => {
    const alice = open(await join("alice"));
    await soon(() => expect(alice.client.state.connected).toBe(true));
    await fixture.coordinator.close();
    await soon(() => expect(alice.client.state.connected).toBe(false));
    const listen = [`127.0.0.1:${new URL(fixture.client.url).port}`];
    fixture = await startCoordinator(home.path, { listen }, { upgrades: relayUpgrade(undefined, silentLogger) });
    // A new server certificate of the same CA.
    await soon(() => expect(alice.client.state.connected).toBe(true));
  });

  it("works behind a reverse proxy that ends TLS", async () => {
    await fixture.coordinator.close();
    const deps = { upgrades: relayUpgrade(undefined, silentLogger) };
    fixture = await startCoordinator(home.path, { tls: "off" }, deps);
    const authority = await createAuthority("proxy", Date.now());
    const { certificatePem: cert, privateKeyPem: key } = await issueServerCertificate(authority, [], Date.now());
    const { port } = new URL(fixture.client.url);
    const proxy = createTlsServer({ cert, key }, (client) => {
      const upstream = connect({ host: "127.0.0.1", port: Number(port) });
      for (const [one, other] of [[client, upstream] as const, [upstream, client] as const]) {
        one.on("error", () => one.destroy());
        one.on("close", () => other.destroy());
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const proxyPort = (proxy.address() as AddressInfo).port;
    const dial = () => dialTls(proxyPort, { ca: authority.certificatePem, servername: "mesh-coordinator" });
    const url = `https://127.0.0.1:${proxyPort}`;
    const [aliceKeys, bobKeys] = [await join("alice"), await join("bob")];
    const [alice, bob] = [open(aliceKeys, { url, dial }), open(bobKeys, { url, dial })];
    await soon(() => expect(alice.client.state.connected && bob.client.state.connected).toBe(true));
    alice.client.send(bobKeys.wireguardKey, Buffer.from("through both"));
    await soon(() => expect(bob.received).toEqual(["through both"]));
    proxy.close();
  });

  it("answers 404 where it is off", async () => {
    await fixture.coordinator.close();
    fixture = await startCoordinator(home.path);
    const alice = open(await join("alice"));
    await soon(() => expect(alice.client.state.error?.message).toContain("404"));
  });
});

function dialTls(port: number, options: object): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("error", reject);
    socket.once("connect", () => {
      const secure = tlsConnect({ socket, ...options });
      secure.once("error", reject);
      secure.once("secureConnect", () => resolve(secure));
    });
  });
}
