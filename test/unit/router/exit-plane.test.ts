import { beforeEach, describe, expect, it } from "vitest";
import { parseAddress } from "../../../src/packet/address.ts";
import { parseCidr } from "../../../src/packet/cidr.ts";
import { LOCAL_RANGES } from "../../../src/packet/special-ranges.ts";
import { MemoryNetwork } from "../../../src/transports/memory/memory-transport.ts";
import { buildPacket, bytesOf, UDP } from "../packet/wire.ts";
import { ADDRESSES, acquaintedPair, installSession, ManualClock, type PlaneNode } from "./plane-node.ts";

/** `left` uses `right` as its exit, or `right` is one for it. */
let left: PlaneNode;
let right: PlaneNode;

const MESH = ["10.0.0.0/24", "fd00::/64"];
const WEB = { 4: "198.51.100.7", 6: "2001:db8::7" } as const;
const DEFAULT = { 4: "0.0.0.0/0", 6: "::/0" } as const;
const own = (node: "left" | "right", version: 4 | 6) => ADDRESSES[`${node}${version}`];

function packet(version: 4 | 6, source: Uint8Array, destination: Uint8Array, swapped = false) {
  const [sourcePort, destinationPort] = swapped ? [53, 50_000] : [50_000, 53];
  return buildPacket({
    version,
    protocol: UDP,
    source,
    destination,
    sourcePort,
    destinationPort,
    payload: bytesOf(32),
  });
}

function pass(from: PlaneNode, to: PlaneNode, bytes: Uint8Array): Uint8Array[] {
  from.tun.injectPacket(bytes);
  from.drain();
  to.drain();
  return to.takePackets();
}

beforeEach(() => {
  const clock = new ManualClock();
  ({ left, right } = acquaintedPair(new MemoryNetwork(), clock, {}));
  installSession(left, right, { createdAtMs: clock.nowMs });
  left.apply({ type: "send-staged", peer: 0 });
  right.drain();
});

describe.each([4, 6] as const)("an exit in use, IPv%d", (version) => {
  const web = parseAddress(WEB[version]);
  const there = packet(version, own("left", version), web);
  const back = packet(version, web, own("left", version), true);

  beforeEach(() => {
    left.apply({ type: "reserve", prefixes: [...MESH, ...LOCAL_RANGES].map(parseCidr) });
    left.apply({ type: "allow", peer: 0, ...parseCidr(DEFAULT[version]), byExit: true });
    // It has addresses of the internet for its own, as far as this node knows.
    right.allow(0, DEFAULT[version]);
  });

  it("gets what is for the internet, and its answers alone come back", () => {
    right.plane.apply({ type: "allow", peer: 0, ...parseCidr(`${WEB[version]}/${version === 4 ? 32 : 128}`) });
    expect(pass(right, left, back)).toEqual([]);
    expect(left.drops()).toEqual({ "in-exit-unasked": 1 });
    expect(pass(left, right, there)).toHaveLength(1);
    expect(pass(right, left, back)).toHaveLength(1);
    expect(left.drops()).toEqual({ "in-exit-unasked": 1 });
  });

  it("is what it is to the mesh as ever: its own packets need no asking", () => {
    expect(pass(right, left, packet(version, own("right", version), own("left", version)))).toHaveLength(1);
    expect(left.drops()).toEqual({});
  });

  it.each(
    version === 4
      ? ["10.0.0.99", "192.168.1.7", "127.0.0.1", "169.254.169.254"]
      : ["fd00::99", "fe80::1", "fd00:ec2::254"],
  )("is never the way to %s, nor from there", (address) => {
    const other = parseAddress(address);
    expect(pass(left, right, packet(version, own("left", version), other))).toEqual([]);
    expect(left.drops()).toEqual({ "out-no-route": 1 });
    left.takePackets();
    expect(pass(right, left, packet(version, other, own("left", version), true))).toEqual([]);
    expect(left.drops()).toEqual({ "out-no-route": 1, "in-spoofed-source": 1 });
  });

  it("is no exit any more when it is taken away, and a network behind it may be within what is reserved", () => {
    const lan = version === 4 ? "192.168.0.0/16" : "fc00::/7";
    const host = parseAddress(version === 4 ? "192.168.50.7" : "fd50::7");
    left.apply({ type: "disallow", peer: 0, ...parseCidr(DEFAULT[version]) });
    expect(pass(left, right, there)).toEqual([]);
    left.takePackets();
    left.allow(0, lan);
    expect(pass(left, right, packet(version, own("left", version), host))).toHaveLength(1);
    // As a peer's own: the rules decide, and here there are none.
    expect(pass(right, left, packet(version, host, own("left", version)))).toHaveLength(1);
    left.apply({ type: "disallow", peer: 0, ...parseCidr(lan) });
    left.apply({ type: "allow", peer: 0, ...parseCidr(DEFAULT[version]), byExit: true });
    expect(pass(left, right, packet(version, own("left", version), host))).toEqual([]);
    left.apply({ type: "remove-peer", peer: 0 });
    expect(pass(left, right, there)).toEqual([]);
    expect(left.drops()["out-no-route"]).toBe(3);
  });
});

describe.each([4, 6] as const)("what comes from a peer by IPv%d", (version) => {
  const mine = own("right", version);
  const to = (address: string) => packet(version, own("left", version), parseAddress(address));
  const accept = (forwarded: readonly string[]) =>
    right.apply({
      type: "accept-destinations",
      destinations: {
        own: [ADDRESSES.right4, ADDRESSES.right6],
        forwarded: forwarded.map(parseCidr),
        spared: [...MESH, ...LOCAL_RANGES].map(parseCidr),
      },
    });
  const [stranger, lan, otherLan] =
    version === 4 ? ["10.0.0.9", "192.168.50.7", "192.168.51.7"] : ["fd00::9", "fd50::7", "fd51::7"];

  beforeEach(() => left.allow(0, DEFAULT[version]));

  it("is for this machine, also where its host forwards", () => {
    accept([]);
    expect(pass(left, right, packet(version, own("left", version), mine))).toHaveLength(1);
    for (const address of [WEB[version], stranger, lan]) expect(pass(left, right, to(address!))).toEqual([]);
    expect(right.drops()).toEqual({ "in-not-for-us": 3 });
  });

  it("goes on to the internet by an exit, and to no local network", () => {
    accept([DEFAULT[version]]);
    expect(pass(left, right, to(WEB[version]))).toHaveLength(1);
    for (const address of [stranger, lan]) expect(pass(left, right, to(address!))).toEqual([]);
    expect(right.drops()).toEqual({ "in-not-for-us": 2 });
    expect(pass(left, right, packet(version, own("left", version), mine))).toHaveLength(1);
  });

  it("goes on to a network that this machine advertises, and to no other", () => {
    accept([version === 4 ? "192.168.50.0/24" : "fd50::/64"]);
    expect(pass(left, right, to(lan!))).toHaveLength(1);
    for (const address of [WEB[version], otherLan]) expect(pass(left, right, to(address!))).toEqual([]);
    expect(right.drops()).toEqual({ "in-not-for-us": 2 });
    const previews = [lan, otherLan].map((address) => {
      right.apply({ type: "preview", id: 1, bytes: to(address!), isOutbound: false });
      return right.takeEvents("previewed")[0]?.isAccepted;
    });
    expect(previews).toEqual([true, false]);
    expect(right.drops()).toEqual({ "in-not-for-us": 2 });
  });
});
