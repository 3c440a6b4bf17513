import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RelayInfo } from "../../../../src/api/network-map.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import type { PeerKeys } from "../../../../src/control/peer-keys.ts";
import { RelayLinks } from "../../../../src/daemon/pipes/relay-links.ts";
import { plainSocket } from "../../../../src/host/tcp.ts";
import type { Tunnel } from "../../../../src/router/tunnel/tunnel.ts";
import type { PipeTransport } from "../../../../src/transports/pipe/pipe-transport.ts";
import { mapPeer, networkMap } from "../../../support/network-map.ts";
import { NETWORK_ID, RELAY_ID, RelayFixture } from "../../../support/relay/relay-fixture.ts";

let relay: RelayFixture;
let keys: PeerKeys;
let links: RelayLinks;
let nowMs = 0;
const onUnreached = vi.fn();
/** The ways that the tunnel has been given and not lost again. */
const ways = new Set<PipeTransport>();

const tunnel = {
  paths: {
    attach: (create: (handlers: object) => PipeTransport) => {
      const way = create({ onDatagram: () => undefined, onChange: () => undefined });
      ways.add(way);
      return way;
    },
    detach: (way: PipeTransport) => ways.delete(way),
    pipesChanged: () => undefined,
  },
} as unknown as Tunnel;

beforeEach(async () => {
  relay = await RelayFixture.start();
  keys = relay.policy.add("me");
  nowMs = 0;
  onUnreached.mockClear();
  ways.clear();
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  links = new RelayLinks(
    { networkId: NETWORK_ID, trust: { kind: "system" }, keys },
    {
      tunnel,
      socketFactory: plainSocket,
      clock: { ...systemClock, monotonicMs: () => nowMs },
      logger: silentLogger,
      onUnreached,
    },
  );
});
afterEach(async () => {
  vi.useRealTimers();
  await links[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
});

const NOWHERE = "http://127.0.0.1:1";
const info = (id: string, url = NOWHERE): RelayInfo => ({
  id,
  name: `relay-${id}`.slice(0, 20),
  urls: [url],
  caPem: null,
  stunPorts: [],
});
const bob = mapPeer("bob", 2, { relays: ["b", RELAY_ID] });
const carol = mapPeer("carol", 3, { relays: ["c"] });
const self = (...relays: string[]) => ({ ...networkMap([]).self, relays });

/** The peers that some way leads to, by the number of ways. */
const countOfWaysTo = (peer: { readonly wireguardKey: string }) =>
  [...ways].filter((way) => way.leadsTo?.(peer.wireguardKey)).length;

describe("the relays of a peer", () => {
  it("are its home relays, connected all the time, and those where others are found; a pair uses those of both", async () => {
    const relays = [info(RELAY_ID, relay.url), info("b"), info("c")];
    links.setMap(networkMap([bob, carol], { relays, self: self(RELAY_ID) }));
    await vi.waitFor(() => expect(links.states).toMatchObject([{ connected: true, isHome: true }]));
    expect(ways.size).toBe(3);
    expect(countOfWaysTo(bob)).toBe(2);
    expect(countOfWaysTo(carol)).toBe(2);
    expect(countOfWaysTo(mapPeer("stranger", 4))).toBe(0);
  });

  it("go with the map: a relay that is removed is left at once", async () => {
    links.setMap(networkMap([bob], { relays: [info(RELAY_ID, relay.url), info("b")], self: self(RELAY_ID, "b") }));
    await vi.waitFor(() => expect(links.states[0]).toMatchObject({ connected: true }));
    const left = { ...bob, relays: ["b"] };
    links.setMap(networkMap([left], { relays: [info("b")], self: self("b") }));
    expect(ways.size).toBe(1);
    expect(links.states.map(({ name }) => name)).toEqual(["relay-b"]);
    await vi.waitFor(() => expect(relay.relay.stats.clients).toBe(0));
  });

  it("have the coordinator's among them where it was reached", async () => {
    links.setMap(networkMap([], { self: self("coordinator") }));
    expect(ways.size).toBe(0);
    links.follow(NOWHERE, true);
    expect(links.states).toMatchObject([{ name: "coordinator", isHome: true, connected: false }]);
    links.follow(NOWHERE, false);
    expect(links.states).toEqual([]);
  });

  it("are told to the coordinator when they are home and were not reached for a minute, and again after a move", async () => {
    const relays = [info(RELAY_ID, relay.url), info("b")];
    links.setMap(networkMap([carol], { relays, self: self("b") }));
    vi.advanceTimersByTime(30_000);
    expect(links.unreached).toEqual([]);
    nowMs = 60_000;
    vi.advanceTimersByTime(30_000);
    expect(links.unreached).toEqual(["b"]);
    expect(onUnreached).toHaveBeenCalledTimes(1);
    links.checkNow();
    expect(links.unreached).toEqual([]);
    expect(onUnreached).toHaveBeenCalledTimes(2);
  });
});
