import { afterEach, describe, expect, it, vi } from "vitest";
import type { WebSocket } from "ws";
import { encodeRelayFrame, RelayFrameType } from "../../../src/api/relay-frame.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { MAX_PIPE_DATAGRAM_BYTES } from "../../../src/transports/pipe/pipe-transport.ts";
import type { RelayClientLimits } from "../../../src/transports/relay/limits.ts";
import { makeKeys } from "../../support/coordinator-client.ts";
import { FakeRelay, welcome } from "../../support/relay/fake-relay.ts";
import { loopbackDial, TestClient } from "../../support/relay/relay-fixture.ts";
import { soon } from "../../support/soon.ts";

vi.setConfig({ testTimeout: 30_000 });

const PEER = makeKeys().wireguardKey;
const PEER_KEY = Buffer.from(PEER, "base64");

const resources: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of resources.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

async function start(
  behave: (webSocket: WebSocket) => void,
  options: { limits?: Partial<RelayClientLimits>; autoPong?: boolean } = {},
): Promise<{ relay: FakeRelay; client: TestClient }> {
  const relay = await FakeRelay.start(behave, options.autoPong);
  resources.push(relay);
  const limits = options.limits ?? {};
  const url = `http://127.0.0.1:${relay.port}`;
  const client = new TestClient(PeerKeys.generate(), url, loopbackDial(relay.port), { limits });
  resources.push(client.transport);
  return { relay, client };
}

describe("a relay's client with a relay that misbehaves", () => {
  it.each<[string, string, (webSocket: WebSocket) => void]>([
    ["sends frames before its welcome", "relay-unreachable", (relay) => relay.send(Buffer.alloc(50))],
    ["sends no JSON", "relay-unreachable", (relay) => relay.send("}")],
    ["sends a welcome of a wrong shape", "relay-unreachable", (relay) => relay.send('{"type":"welcome"}')],
    [
      "rejects it with a reason",
      "peer-disabled",
      (relay) => relay.send('{"type":"rejected","error":{"code":"peer-disabled","message":"no","hint":"ask"}}'),
    ],
    ["hangs up", "relay-unreachable", (relay) => relay.close(1011)],
    ["says nothing", "timeout", () => undefined],
    [
      "sends an oversize message",
      "relay-unreachable",
      (relay) => {
        welcome(relay);
        relay.send(Buffer.alloc(MAX_PIPE_DATAGRAM_BYTES + 34));
      },
    ],
    [
      "welcomes it twice",
      "relay-unreachable",
      (relay) => {
        welcome(relay);
        welcome(relay);
      },
    ],
  ])("that %s says why there is no connection (%s), and tries again", async (_, code, behave) => {
    const { relay, client } = await start(behave, { limits: { handshakeMs: 200 } });
    await soon(() => expect(client.transport.state.error?.code).toBe(code));
    await soon(() => expect(relay.connections.length).toBeGreaterThan(1));
  });

  it("ignores what it does not know, and counts frames that are none", async () => {
    const { client } = await start((relay) => {
      relay.send('{"type":"of a later version"}');
      welcome(relay);
      relay.send(Buffer.alloc(0));
      relay.send(Buffer.alloc(33, 1));
      relay.send(Buffer.alloc(60, 99));
      // Notices about a peer that nobody asked for.
      relay.send(encodeRelayFrame(RelayFrameType.gone, PEER_KEY));
      relay.send(encodeRelayFrame(RelayFrameType.datagram, PEER_KEY, Buffer.from("good")));
    });
    await soon(() => expect(client.received).toEqual([{ from: PEER, datagram: Buffer.from("good") }]));
    expect(client.transport.stats).toMatchObject({ malformedFrames: 3, receivedDatagrams: 1 });
    expect(client.changes).toEqual([]);
    expect(client.transport.isOpenTo(PEER)).toBe(true);
  });

  it("opens a way again when a datagram comes from a peer that was told to be gone", async () => {
    let tell = (_type: RelayFrameType, _datagram?: Uint8Array): void => undefined;
    const { client } = await start((relay) => {
      tell = (type, datagram) => relay.send(encodeRelayFrame(type, PEER_KEY, datagram));
      welcome(relay);
    });
    await soon(() => expect(client.isConnected).toBe(true));
    client.transport.want(PEER);
    tell(RelayFrameType.gone);
    tell(RelayFrameType.gone);
    await soon(() => expect(client.changes).toEqual([{ peer: PEER, isOpen: false }]));
    tell(RelayFrameType.datagram, Buffer.from("here I am"));
    await soon(() => expect(client.received).toHaveLength(1));
    expect(client.changes.at(-1)).toEqual({ peer: PEER, isOpen: true });
    expect(client.changes).toHaveLength(2);
  });

  it("leaves a relay that has gone silent", async () => {
    const { relay, client } = await start((webSocket) => welcome(webSocket), {
      autoPong: false,
      limits: { pingIntervalMs: 20, silenceMs: 100 },
    });
    await soon(() => expect(client.transport.state.error?.code).toBe("timeout"));
    await soon(() => expect(relay.connections.length).toBeGreaterThan(1));
  });

  it("asks at once whether the relay still lives when the network has changed", async () => {
    const { relay, client } = await start((webSocket) => welcome(webSocket), {
      autoPong: false,
      limits: { hastySilenceMs: 50 },
    });
    await soon(() => expect(client.isConnected).toBe(true));
    client.transport.checkNow();
    await soon(() => expect(relay.connections).toHaveLength(2));

    const living = await start((webSocket) => welcome(webSocket), { limits: { hastySilenceMs: 50 } });
    await soon(() => expect(living.client.transport.state.rttMs).not.toBeNull());
    let pings = 0;
    living.relay.connections[0]?.on("ping", () => pings++);
    // It asks again only when the time for the first answer is over.
    await soon(() => {
      living.client.transport.checkNow();
      expect(pings).toBeGreaterThan(1);
    });
    expect(living.client.isConnected).toBe(true);
    expect(living.relay.connections).toHaveLength(1);
  });

  it("connects at once when the network has changed, however long it would wait", async () => {
    const { relay, client } = await start((webSocket) => webSocket.close(), {
      limits: { firstRetryMs: 600_000, lastRetryMs: 600_000 },
    });
    await soon(() => expect(client.transport.state.error).not.toBeNull());
    client.transport.checkNow();
    await soon(() => expect(relay.connections).toHaveLength(2));
  });

  it("does not ask a connection that is known to be lost", async () => {
    const { relay, client } = await start((webSocket) => welcome(webSocket), {
      limits: { hastySilenceMs: 600_000, firstRetryMs: 600_000, lastRetryMs: 600_000 },
    });
    await soon(() => expect(client.isConnected).toBe(true));
    client.transport.checkNow({ isLost: true });
    expect(client.isConnected).toBe(false);
    await soon(() => expect(relay.connections).toHaveLength(2));
    await soon(() => expect(client.isConnected).toBe(true));
  });

  it("does not fill its memory with pongs that the relay does not read", async () => {
    const { relay, client } = await start((webSocket) => {
      welcome(webSocket);
      webSocket.pause();
      for (let i = 0; i < 100_000; i++) webSocket.ping(Buffer.alloc(125));
    });
    await soon(() => expect(client.isConnected).toBe(true));
    const beforeBytes = process.memoryUsage().arrayBuffers;
    await soon(() => expect(relay.connections[0]?.bufferedAmount).toBe(0));
    expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(20_000_000);
  });
});
