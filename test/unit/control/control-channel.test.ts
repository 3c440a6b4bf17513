import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { NetworkMap } from "../../../src/api/network-map.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { ControlChannel } from "../../../src/control/control-channel.ts";
import type { IncomingCall } from "../../../src/control/control-channel-types.ts";
import { CoordinatorHttp } from "../../../src/control/coordinator-http.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { register } from "../../../src/control/registration.ts";
import type { UsableTrust } from "../../../src/control/trust.ts";
import { plainSocket } from "../../../src/host/tcp.ts";
import { RunningCoordinator } from "../../support/running-coordinator.ts";

const ENDPOINTS = { listenPort: 4500, unreachedRelays: [] };

describe("the control channel against a real coordinator", () => {
  let coordinator: RunningCoordinator;
  const channels: ControlChannel[] = [];

  beforeEach(async () => {
    coordinator = await RunningCoordinator.start();
  });
  afterEach(async () => {
    for (const channel of channels.splice(0)) await channel.close();
    await coordinator[Symbol.asyncDispose]();
  });

  async function join(name: string): Promise<{ keys: PeerKeys; trust: UsableTrust; networkId: string }> {
    const trust = { kind: "fingerprint", fingerprint: coordinator.caFingerprint } as const;
    const http = await CoordinatorHttp.connect({ url: coordinator.url, trust });
    const keys = PeerKeys.generate();
    const { token } = await coordinator.createToken();
    await register(http, { name, keys, token });
    return { keys, trust: http.trust, networkId: http.info.network.id };
  }

  function open(
    peer: { keys: PeerKeys; trust: UsableTrust; networkId: string },
    options: { map?: NetworkMap; urls?: readonly string[] } = {},
  ) {
    const maps: NetworkMap[] = [];
    const calls: IncomingCall[] = [];
    const channel = new ControlChannel(
      { urls: options.urls ?? [coordinator.url], ...peer, map: options.map },
      { onMap: (map) => maps.push(map), onCall: (call) => calls.push(call), onStateChange: () => undefined },
      { logger: silentLogger, clock: systemClock, socketFactory: plainSocket },
    );
    channels.push(channel);
    channel.start();
    return { channel, maps, calls };
  }

  const names = (map: NetworkMap | undefined) => map?.peers.map(({ name }) => name).sort();

  it("brings the map, and its changes as they happen", async () => {
    const alice = open(await join("alice"));
    await vi.waitFor(() => expect(names(alice.maps.at(-1))).toEqual([]));
    expect(alice.channel.state).toMatchObject({ connected: true, error: null, observedAddress: "127.0.0.1" });

    const bob = open(await join("bob"));
    await vi.waitFor(() => expect(names(bob.maps.at(-1))).toEqual(["alice"]));
    await vi.waitFor(() => expect(alice.maps.at(-1)?.peers[0]).toMatchObject({ name: "bob", online: true }));

    bob.channel.setEndpoints({ ...ENDPOINTS, endpoints: ["198.51.100.7:4500"], sshPorts: [2222], udp: true });
    await vi.waitFor(() => expect(alice.maps.at(-1)?.peers[0]?.endpoints).toContain("198.51.100.7:4500"));
    expect(alice.maps.at(-1)?.peers[0]?.sshEndpoints).toContain("198.51.100.7:2222");
    bob.channel.setEndpoints({ ...ENDPOINTS, endpoints: ["198.51.100.7:4500"], sshPorts: [2222], udp: false });
    await vi.waitFor(() => expect(alice.maps.at(-1)?.peers[0]?.endpoints).toEqual([]));
    expect(alice.maps.at(-1)?.peers[0]?.sshEndpoints).toContain("198.51.100.7:2222");
    await bob.channel.close();
    await vi.waitFor(() => expect(alice.maps.at(-1)?.peers[0]?.online).toBe(false));
  });

  it("passes calls on, with the endpoints that the caller has told", async () => {
    const keys = await join("alice");
    const [alice, bob] = [open(keys), open(await join("bob"))];
    await vi.waitFor(() => expect(alice.maps.at(-1)?.peers[0]?.online).toBe(true));
    alice.channel.setEndpoints({ ...ENDPOINTS, endpoints: ["198.51.100.7:4500"], sshPorts: [], udp: true });
    alice.channel.call([alice.maps.at(-1)!.peers[0]!.wireguardKey]);
    await vi.waitFor(() => expect(bob.calls).toHaveLength(1));
    expect(bob.calls[0]).toMatchObject({ peer: keys.keys.wireguardKey, endpoints: ["198.51.100.7:4500"] });
    expect(alice.calls).toEqual([]);
  });

  it("connects again by itself when the coordinator comes back, and tells its endpoints again", async () => {
    const alice = open(await join("alice"));
    const bob = open(await join("bob"));
    bob.channel.setEndpoints({ ...ENDPOINTS, endpoints: ["198.51.100.7:4500"], sshPorts: [2222], udp: true });
    await vi.waitFor(() => expect(alice.maps.at(-1)?.peers[0]?.endpoints).toContain("198.51.100.7:4500"));
    await coordinator.stop();
    await vi.waitFor(() => expect(alice.channel.state.connected).toBe(false));
    await vi.waitFor(() => expect(alice.channel.state.error?.code).toBe("coordinator-unreachable"));
    await coordinator.startAgain();
    await vi.waitFor(() => expect(alice.channel.state).toMatchObject({ connected: true, error: null }), 10_000);
    await vi.waitFor(
      () => expect(alice.maps.at(-1)?.peers[0]).toMatchObject({ online: true, endpoints: ["198.51.100.7:4500"] }),
      10_000,
    );
  }, 30_000);

  it("goes on with a cached map by deltas, and asks for the whole one when a delta does not fit", async () => {
    const peer = await join("alice");
    const first = open(peer);
    await vi.waitFor(() => expect(first.maps).not.toHaveLength(0));
    await first.channel.close();
    const cached = first.maps.at(-1);
    if (cached === undefined) throw new Error("no map came");

    // A map of the future: nothing that the coordinator has to tell follows on it.
    const confused = open(peer, { map: { ...cached, version: cached.version + 1_000_000, peers: [] } });
    await vi.waitFor(() => expect(confused.channel.state.connected).toBe(true));
    const bob = open(await join("bob"));
    await vi.waitFor(() => expect(names(confused.maps.at(-1))).toEqual(["bob"]), 10_000);
    await vi.waitFor(() => expect(names(bob.maps.at(-1))).toEqual(["alice"]));
  }, 30_000);

  it("asks for the whole map when told to", async () => {
    const alice = open(await join("alice"));
    await vi.waitFor(() => expect(alice.maps).toHaveLength(1));
    alice.channel.requestFullMap();
    await vi.waitFor(() => expect(alice.maps).toHaveLength(2));
    await vi.waitFor(() => expect(alice.channel.state).toMatchObject({ connected: true, error: null }));
  });

  it("tries the next URL when one fails", async () => {
    const alice = open(await join("alice"), { urls: ["https://127.0.0.1:1", coordinator.url] });
    await vi.waitFor(() => expect(alice.channel.state.connected).toBe(true), 5000);
    expect(alice.channel.state.url).toBe(coordinator.url);
  });

  it("shows why a machine that is no peer is turned away, and keeps trying", async () => {
    const { trust, networkId } = await join("alice");
    const stranger = open({ keys: PeerKeys.generate(), trust, networkId });
    await vi.waitFor(() => expect(stranger.channel.state.error?.code).toBe("not-registered"));
    expect(stranger.maps).toEqual([]);
  });

  it("refuses a coordinator of another network", async () => {
    const { keys, trust } = await join("alice");
    const misled = open({ keys, trust, networkId: crypto.randomUUID() });
    await vi.waitFor(() => expect(misled.channel.state.error?.code).toBe("map-refused"));
  });
});
