import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { RelayWay } from "../../../src/transports/relay/relay-way.ts";
import { loopbackDial, NETWORK_ID, RELAY_ID, RelayFixture } from "../../support/relay/relay-fixture.ts";

const STRANGER = PeerKeys.generate().wireguardKey;

let relay: RelayFixture;
const ways: RelayWay[] = [];

beforeEach(async () => {
  relay = await RelayFixture.start();
});
afterEach(async () => {
  await Promise.all(ways.splice(0).map((way) => way.close()));
  await relay[Symbol.asyncDispose]();
});

function openWay(keys: PeerKeys, { url = relay.url, otherUrls = [] as string[] } = {}) {
  const received: string[] = [];
  const way = new RelayWay(
    { url, otherUrls, networkId: NETWORK_ID, relayId: RELAY_ID, keys, leadsTo: (peer) => peer !== STRANGER },
    { onDatagram: (_, datagram) => received.push(Buffer.from(datagram).toString()), onChange: () => undefined },
    {
      clock: systemClock,
      logger: silentLogger,
      connect: (signal, at) => loopbackDial(Number(new URL(at).port))(signal, at),
      limits: { firstRetryMs: 10, lastRetryMs: 20, unusedMs: 500 },
    },
  );
  ways.push(way);
  return { way, received };
}

const isConnected = (way: RelayWay) => vi.waitFor(() => expect(way.state?.connected).toBe(true));

describe("the way by one of several relays", () => {
  it("is connected all the time at a home relay, and elsewhere when somebody is wanted", async () => {
    const [alice, bob] = [relay.policy.add("alice"), relay.policy.add("bob")];
    const home = openWay(alice);
    const elsewhere = openWay(bob);
    home.way.setHome(true);
    await isConnected(home.way);
    expect(elsewhere.way.state).toBeUndefined();
    expect(elsewhere.way.isOpenTo(alice.wireguardKey)).toBe(false);
    expect(elsewhere.way.send(alice.wireguardKey, Buffer.from("too early"))).toBe(false);
    await isConnected(elsewhere.way);
    expect(elsewhere.way.send(alice.wireguardKey, Buffer.from("now"))).toBe(true);
    await vi.waitFor(() => expect(home.received).toEqual(["now"]));
    expect(elsewhere.way.addressOf(alice.wireguardKey)).toBe(relay.url);
  });

  it("is left when nothing was sent by it for a while, unless it is home", async () => {
    const [alice, bob] = [relay.policy.add("alice"), relay.policy.add("bob")];
    const { way } = openWay(alice);
    const home = openWay(bob);
    home.way.setHome(true);
    way.want(bob.wireguardKey);
    await isConnected(way);
    await isConnected(home.way);
    await vi.waitFor(() => expect(way.state).toBeUndefined(), { timeout: 5000 });
    expect(home.way.state?.connected).toBe(true);
    home.way.setHome(false);
    await vi.waitFor(() => expect(home.way.state).toBeUndefined(), { timeout: 5000 });
  });

  it("tries each of the relay's addresses in turn", async () => {
    const { way } = openWay(relay.policy.add("alice"), { url: "http://127.0.0.1:1", otherUrls: [relay.url] });
    way.setHome(true);
    await isConnected(way);
    expect(way.state).toMatchObject({ url: relay.url, error: null });
  });

  it("leads to those only that are found there", () => {
    const { way } = openWay(relay.policy.add("alice"));
    expect(way.leadsTo(STRANGER)).toBe(false);
    expect(way.leadsTo(PeerKeys.generate().wireguardKey)).toBe(true);
  });
});
