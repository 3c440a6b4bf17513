import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { ExitNetwork, NOTHING } from "../support/lab/exit-network.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { dropWall, raiseWall } from "../support/lab/udp-wall.ts";

// Not one packet to the web or to a name server goes around an exit, whatever happens; counted at the router of the host.
// One host, on which programs try all the time; the cases follow on each other.

let network: ExitNetwork;
let alice: MeshPeer;
let before: string;

const state = () =>
  network.alice.must(
    "sh",
    "-c",
    "ip -4 rule; ip -6 rule; ip -4 route show table all; ip -6 route show table all | grep -v fe80; nft list tables; cat /proc/sys/net/ipv[46]/*fwmark* /proc/sys/net/ipv4/conf/all/src_valid_mark",
  );

/** Time for the load to try everything a few times over. */
const aWhile = async () => {
  const end = performance.now() + 700;
  await eventually("a while is over", () => performance.now() > end);
};

beforeAll(async () => {
  network = await ExitNetwork.open("carol", "dave");
  before = await state();
  alice = await network.join();
  await network.startLoad();
}, 90_000);
afterAll(() => network[Symbol.asyncDispose]());

it("without an exit all of it goes by the router", async () => {
  await network.leaked();
  await aWhile();
  const { web4, web6, dns } = await network.leaked();
  expect([web4! > 5, web6! > 5, dns! > 5]).toEqual([true, true, true]);
});

it("with one all of it goes by the exit, and nothing by a more specific route, an own address or the router's resolver", async () => {
  await eventually("the exits are known", async () => (await alice.local.exits()).exits.length === 2);
  await alice.mesh("exit", "use", "carol,dave");
  await network.leaked();
  await network.leavesBy("carol");
  await network.alice.ip("route", "add", "203.0.113.80/32", "via", "192.168.7.1");
  await network.alice.ip("-6", "route", "add", "2001:db8:80::80/128", "via", "2001:db8:7::1");
  await aWhile();
  expect(await network.seenBy("ipv4")).toBeUndefined();
  await network.alice.ip("route", "delete", "203.0.113.80/32");
  await network.alice.ip("-6", "route", "delete", "2001:db8:80::80/128");
  await network.leavesBy("carol");
  expect(await network.leaked()).toEqual(NOTHING);
  expect((await alice.status()).exit).toMatchObject({ using: "carol", families: ["ipv4", "ipv6"] });
});

it("nothing when the transports fall back, coordinator and relay being on the far side of the exit", async () => {
  const carol = network.exit("carol").host;
  await raiseWall(carol);
  await alice.reaches("carol");
  await eventually("carol is reached by SSH", async () => (await alice.peer("carol"))?.path?.transport === "ssh", {
    timeoutMs: 20_000,
  });
  await raiseWall(carol, "meta l4proto udp drop; tcp dport 2222");
  await eventually(
    "carol is reached by the relay",
    async () => (await alice.peer("carol"))?.path?.transport === "relay",
    { timeoutMs: 20_000 },
  );
  await dropWall(carol);
  expect(await network.leaked()).toEqual(NOTHING);
});
