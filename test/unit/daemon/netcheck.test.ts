import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { netcheckReplySchema } from "../../../src/api/local.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { MeshError } from "../../../src/base/errors.ts";
import { CoordinatorHttp } from "../../../src/control/coordinator-http.ts";
import type { UsableTrust } from "../../../src/control/trust.ts";
import { type NetcheckSources, netcheck } from "../../../src/daemon/netcheck.ts";
import { plainSocket } from "../../../src/host/tcp.ts";
import { classifyMapping } from "../../../src/nat/mapping.ts";
import type { TunnelInfo } from "../../../src/router/tunnel/tunnel.ts";
import { RunningCoordinator } from "../../support/running-coordinator.ts";

const tunnel: TunnelInfo = {
  interfaceName: "mesh0",
  listenPort: 51820,
  mtu: 1420,
  aeadProvider: "openssl",
  aeadWhy: "",
  offloads: { tcp4: true, tcp6: true, udp: true, checksum: true, udpGso: true, udpGro: true },
  ipv4: true,
  ipv6: false,
};

describe("netcheck", () => {
  let coordinator: RunningCoordinator;
  let trust: UsableTrust;
  const servers: Server[] = [];
  const never = new AbortController().signal;

  beforeAll(async () => {
    coordinator = await RunningCoordinator.start();
    const fingerprint = { kind: "fingerprint", fingerprint: coordinator.caFingerprint } as const;
    trust = (await CoordinatorHttp.connect({ url: coordinator.url, trust: fingerprint })).trust;
  });
  afterAll(() => coordinator[Symbol.asyncDispose]());
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  const check = (change: Partial<NetcheckSources> = {}, signal = never) =>
    netcheck(
      {
        urls: [coordinator.url],
        trust,
        dial: plainSocket,
        clock: systemClock,
        tunnel: () => tunnel,
        measureNat: async () => undefined,
        portMapping: () => undefined,
        relays: { checkNow: () => undefined, states: [] },
        ...change,
      },
      signal,
    );

  /** A portal: whatever is asked for, it is elsewhere. */
  async function portal(): Promise<string> {
    const server = createServer((_request, response) => {
      response.writeHead(302, { location: "http://portal.invalid/login" }).end("Please log in");
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it("tells what was measured, in the shape of the contract", async () => {
    const server = { family: "ipv4", address: "192.0.2.1", port: 3478 } as const;
    const reflexive = { family: "ipv4", address: "198.51.100.9", port: 4711 } as const;
    const nat = classifyMapping(
      [
        { server, reflexive },
        { server: { ...server, port: 3479 }, reflexive },
      ],
      { addresses: ["10.0.0.2"], port: 51820 },
    );
    const error = new MeshError("relay-unreachable", "the relay is away");
    const reply = await check({
      measureNat: async () => nat,
      portMapping: () => "pcp",
      relays: {
        checkNow: () => undefined,
        states: [
          { name: "berlin", isHome: true, url: "https://a", connected: true, rttMs: 9.12345, error: null },
          { name: "coordinator", isHome: false, url: "https://b", connected: false, rttMs: null, error },
        ],
      },
    });
    expect(netcheckReplySchema.parse(reply)).toEqual(reply);
    expect(reply).toMatchObject({
      udp: true,
      ipv4: true,
      ipv6: false,
      mapping: "endpoint-independent",
      publicEndpoint: "198.51.100.9:4711",
      portMapping: ["pcp"],
      relays: [
        { name: "berlin", home: true, url: "https://a", connected: true, rttMs: 9.123, error: null },
        {
          name: "coordinator",
          home: false,
          url: "https://b",
          connected: false,
          rttMs: null,
          error: "the relay is away",
        },
      ],
      captivePortal: false,
      coordinator: { url: coordinator.url, reached: true, rttMs: expect.any(Number), error: null },
    });
  });

  it("does not guess where nobody could be asked", async () => {
    expect(await check()).toMatchObject({ udp: null, mapping: "unknown", publicEndpoint: null, relays: [] });
  });

  it("sees a portal that answers in the coordinator's place, in plain HTTP or without TLS at all", async () => {
    const address = await portal();
    for (const scheme of ["http", "https"]) {
      const reply = await check({ urls: [`${scheme}://${address}`] });
      expect(reply.captivePortal).toBe(true);
      expect(reply.coordinator.reached).toBe(false);
    }
  });

  it("sees somebody else's certificate in the coordinator's place", async () => {
    await using other = await RunningCoordinator.start();
    expect(await check({ urls: [other.url] })).toMatchObject({ captivePortal: true, coordinator: { reached: false } });
  });

  it("does not take a coordinator that is away for a portal, nor the portal of one URL when another one answers", async () => {
    const address = await portal();
    expect(await check({ urls: ["https://127.0.0.1:1"] })).toMatchObject({
      captivePortal: false,
      coordinator: { reached: false, error: expect.stringContaining("nothing listens") },
    });
    expect(await check({ urls: [`https://${address}`, coordinator.url] })).toMatchObject({
      captivePortal: false,
      coordinator: { url: coordinator.url, reached: true },
    });
  });

  it("gives up the measurement when nobody waits for it any more", async () => {
    const caller = new AbortController();
    const measureNat = (signal: AbortSignal) =>
      new Promise<undefined>((resolve) => signal.addEventListener("abort", () => resolve(undefined), { once: true }));
    const reply = check({ measureNat }, caller.signal);
    caller.abort();
    expect(await reply).toMatchObject({ udp: null });
  });
});
