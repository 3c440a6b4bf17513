import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { COORDINATOR_RELAY_ID } from "../../../src/api/relay.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { relayUpgrade } from "../../../src/cli/running/relay-upgrade.ts";
import { ControlChannel } from "../../../src/control/control-channel.ts";
import { CoordinatorHttp } from "../../../src/control/coordinator-http.ts";
import { parseProxy } from "../../../src/control/http-proxy.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { proxySocket } from "../../../src/control/proxy-socket.ts";
import { register } from "../../../src/control/registration.ts";
import { openSecureSocket } from "../../../src/control/secure-socket.ts";
import { type Dial, openTcp, plainSocket } from "../../../src/host/tcp.ts";
import { RelayClient } from "../../../src/transports/relay/relay-client.ts";
import { ConnectProxy, type ConnectProxyOptions } from "../../support/connect-proxy.ts";
import { RunningCoordinator } from "../../support/running-coordinator.ts";
import { soon } from "../../support/soon.ts";

vi.setConfig({ testTimeout: 30_000 });

const resources: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of resources.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

async function startProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const proxy = await ConnectProxy.start(options);
  resources.push(proxy);
  return proxy;
}

const through = (proxy: ConnectProxy, credentials = "", exceptions = ""): Dial =>
  proxySocket(plainSocket, parseProxy(`http://${credentials}127.0.0.1:${proxy.port}`, exceptions));

describe("a coordinator that only a proxy reaches", () => {
  let coordinator: RunningCoordinator;
  let url: string;
  let trust: { readonly kind: "fingerprint"; readonly fingerprint: string };
  beforeEach(async () => {
    coordinator = await RunningCoordinator.start({ upgrades: relayUpgrade(undefined, silentLogger) });
    resources.push(coordinator);
    // A name that nobody but the proxy knows.
    url = `https://mesh.invalid:${new URL(coordinator.url).port}`;
    trust = { kind: "fingerprint", fingerprint: coordinator.caFingerprint };
  });

  it("is joined, followed and used as a relay through it", async () => {
    const proxy = await startProxy({ credentials: "alice:p@ss" });
    const socketFactory = through(proxy, "alice:p%40ss@");
    const http = await CoordinatorHttp.connect({ url, trust }, { socketFactory });
    const keys = PeerKeys.generate();
    const { token } = await coordinator.createToken();
    await register(http, { name: "alice", keys, token });

    const networkId = http.info.network.id;
    const channel = new ControlChannel(
      { urls: [url], trust: http.trust, networkId, keys, map: undefined },
      { onMap: () => undefined, onCall: () => undefined, onStateChange: () => undefined },
      { logger: silentLogger, clock: systemClock, socketFactory },
    );
    resources.push(channel);
    channel.start();
    await soon(() => expect(channel.state.connected).toBe(true));

    const relay = new RelayClient(
      { url, networkId, relayId: COORDINATOR_RELAY_ID, keys },
      { onDatagram: () => undefined, onChange: () => undefined },
      {
        connect: (signal) => openSecureSocket(url, http.trust, socketFactory, signal),
        clock: systemClock,
        logger: silentLogger,
      },
    );
    resources.push(relay);
    await soon(() => expect(relay.state.connected).toBe(true));
    expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(url).host]));
    expect(proxy.tunnels.length).toBeGreaterThanOrEqual(6);
  });

  it("is named as such when the proxy wants other credentials, without the password", async () => {
    const proxy = await startProxy({ credentials: "alice:right" });
    const failure = CoordinatorHttp.connect({ url, trust }, { socketFactory: through(proxy, "alice:wrong@") });
    await expect(failure).rejects.toMatchObject({
      code: "proxy-failed",
      message: expect.stringMatching(/407.*credentials/),
    });
    await expect(failure).rejects.toMatchObject({ message: expect.not.stringContaining("wrong") });
  });

  it("is reached directly where NO_PROXY says so", async () => {
    const proxy = await startProxy();
    const direct: Dial = ({ port }) => plainSocket({ host: "127.0.0.1", port });
    const socketFactory = proxySocket(direct, parseProxy(proxy.url, ".invalid"));
    await CoordinatorHttp.connect({ url, trust }, { socketFactory });
    expect(proxy.tunnels).toEqual([]);
  });

  it("is given up in time when the proxy says nothing", async () => {
    const proxy = await startProxy({ answer: "" });
    const deps = { socketFactory: through(proxy), timeoutMs: 100 };
    await expect(CoordinatorHttp.connect({ url, trust }, deps)).rejects.toMatchObject({ code: "timeout" });
  });

  it("can be interrupted while the proxy says nothing", async () => {
    const proxy = await startProxy({ answer: "" });
    const controller = new AbortController();
    const connecting = CoordinatorHttp.connect(
      { url, trust },
      { socketFactory: through(proxy), signal: controller.signal },
    );
    setImmediate(() => controller.abort());
    await expect(connecting).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("a proxy that does not do its part", () => {
  const target = { host: "mesh.invalid", port: 443 };
  const { signal } = new AbortController();

  it.each([
    ["refuses", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", /403 \(Forbidden\).*mesh\.invalid:443/],
    ["cannot reach it", "HTTP/1.0 502\r\n\r\n", /502/],
    ["redirects", "HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", /302/],
    ["speaks something else", "SSH-2.0-OpenSSH_9.2\r\n\r\n", /no HTTP/],
    ["talks without end", "HTTP/1.1 200 OK\r\n".padEnd(40_000, "x"), /too long/],
    ["breaks off", "HTTP/1.1 200 OK\r\nX: y\r\n", /closed the connection/],
  ])("is named: it %s", async (_, answer, message) => {
    const proxy = await startProxy({ answer });
    await expect(openTcp(through(proxy), target, signal)).rejects.toMatchObject({
      code: "proxy-failed",
      message: expect.stringMatching(message),
    });
  });

  it("is named when it is not there", async () => {
    const proxy = await startProxy();
    const dial = through(proxy);
    await proxy[Symbol.asyncDispose]();
    resources.pop();
    await expect(openTcp(dial, target, signal)).rejects.toMatchObject({
      code: "proxy-failed",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("loses nothing of what comes right behind its answer", async () => {
    const proxy = await startProxy({ answer: "HTTP/1.1 200 OK\r\n\r\nright behind" });
    const socket = await openTcp(through(proxy), target, signal);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe("right behind");
  });
});

describe("a name with several addresses", () => {
  it("is reached over TLS by the second one when nothing listens at the first", async () => {
    await using coordinator = await RunningCoordinator.start();
    const dial: Dial = ({ port }) =>
      connect({
        host: "mesh.invalid",
        port,
        autoSelectFamily: true,
        lookup: (_name, _options, callback) => {
          const addresses = [
            { address: "::1", family: 6 },
            { address: "127.0.0.1", family: 4 },
          ];
          callback(null, addresses as never, 0);
        },
      });
    const url = `https://mesh.invalid:${new URL(coordinator.url).port}`;
    const trust = { kind: "fingerprint", fingerprint: coordinator.caFingerprint } as const;
    const http = await CoordinatorHttp.connect({ url, trust }, { socketFactory: dial });
    expect(http.info.network.name).toBe("mesh");
  });

  it("leaves nothing open when it is given up", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const accepted = once(server, "connection");
    const controller = new AbortController();
    const trust = { kind: "unverified" } as const;
    const opening = openSecureSocket(`https://127.0.0.1:${port}`, trust, plainSocket, controller.signal);
    const [socket] = await accepted;
    const isClosed = once(socket, "close");
    socket.resume();
    controller.abort(new Error("given up"));
    await expect(opening).rejects.toThrow("given up");
    await isClosed;
    server.close();
  });
});
