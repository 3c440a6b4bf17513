import { beforeEach, describe, expect, it } from "vitest";
import { MemoryNetwork } from "../../../../src/transports/memory/memory-transport.ts";
import { DATA_OVERHEAD_BYTES } from "../../../../src/wireguard/constants.ts";
import { ACK, buildPacket, bytesOf, checksumsAreGood, frameOf, SYN, TCP, UDP } from "../../packet/wire.ts";
import { ADDRESSES, acquaintedPair, installSession, ManualClock, type PlaneNode } from "../plane-node.ts";

const INTERFACE_MTU = 1420;

let network: MemoryNetwork;
let clock: ManualClock;
let left: PlaneNode;
let right: PlaneNode;
let datagramBytes: number[];

beforeEach(() => {
  network = new MemoryNetwork();
  clock = new ManualClock();
  ({ left, right } = acquaintedPair(network, clock, { mtuBytes: INTERFACE_MTU }));
  left.apply(
    { type: "add-peer", peer: 0, hasPaths: true },
    { type: "set-path", peer: 0, path: 3, endpoint: right.address },
    { type: "use-paths", peer: 0, primary: 3, second: null },
  );
  installSession(left, right, { createdAtMs: clock.nowMs });
  left.apply({ type: "send-staged", peer: 0 });
  right.drain();
  datagramBytes = [];
  network.deliver = (_from, _to, bytes) => datagramBytes.push(bytes.length) > 0;
});

function resize(mtuBytes: number, limitBytes = mtuBytes): void {
  left.apply({ type: "set-path-mtu", peer: 0, path: 3, mtuBytes, limitBytes });
}

function packetOf(version: 4 | 6, packetBytes: number, more: { dontFragment?: boolean } = {}): Uint8Array {
  return buildPacket({
    version,
    protocol: UDP,
    source: version === 4 ? ADDRESSES.left4 : ADDRESSES.left6,
    destination: version === 4 ? ADDRESSES.right4 : ADDRESSES.right6,
    payload: bytesOf(packetBytes - (version === 4 ? 28 : 48)),
    ...more,
  });
}

function tcpOf(version: 4 | 6, spec: { tcpFlags: number; tcpOptions?: Uint8Array; payload?: Uint8Array }): Uint8Array {
  const [source, destination] =
    version === 4 ? [ADDRESSES.left4, ADDRESSES.right4] : [ADDRESSES.left6, ADDRESSES.right6];
  return buildPacket({ version, protocol: TCP, source, destination, ...spec });
}

/** What the far host gets of `packet`. */
function pass(packet: Uint8Array): Uint8Array[] {
  left.tun.injectPacket(packet);
  left.drain();
  right.drain();
  return right.takePackets();
}

describe("a path that carries less than the interface takes", () => {
  it.each([4, 6] as const)(
    "IPv%i packets up to its MTU go as they are, padding and all, larger ones are refused",
    (version) => {
      resize(1307);
      for (const packetBytes of [1307, 1306, 1300, 1296]) {
        const packet = packetOf(version, packetBytes);
        expect(pass(packet)).toEqual([packet]);
      }
      expect(Math.max(...datagramBytes)).toBe(1307 + DATA_OVERHEAD_BYTES);
      datagramBytes = [];
      expect(pass(packetOf(version, 1308))).toEqual([]);
      expect(datagramBytes).toEqual([]);
      expect(left.drops()).toEqual({ "out-too-big": 1 });
      const [error] = left.takePackets();
      const [type, mtuOffset] = version === 4 ? [[3, 4], 26] : [[2, 0], 46];
      const header = version === 4 ? 20 : 40;
      expect(checksumsAreGood(error!)).toBe(true);
      expect([...error!.subarray(header, header + 2)]).toEqual(type);
      expect([...error!.subarray(mtuOffset, mtuOffset + 2)]).toEqual([1307 >> 8, 1307 & 0xff]);
      // It comes from where the packet went to, and goes to who sent it.
      const [from, to] = version === 4 ? [12, 16] : [8, 24];
      const [right_, left_] = version === 4 ? [ADDRESSES.right4, ADDRESSES.left4] : [ADDRESSES.right6, ADDRESSES.left6];
      expect(error!.subarray(from, from + right_.length)).toEqual(right_);
      expect(error!.subarray(to, to + left_.length)).toEqual(left_);
    },
  );

  it("IPv4 packets without DF go in fragments, their checksum completed", () => {
    resize(1000);
    left.tun.inject(frameOf(packetOf(4, 1400, { dontFragment: false }), 0, 0));
    left.drain();
    right.drain();
    const [first, second] = right.takePackets();
    expect([first!.length, second!.length]).toEqual([996, 20 + 1400 - 996]);
    const whole = Uint8Array.from([
      ...packetOf(4, 1400, { dontFragment: false }).subarray(0, 20),
      ...first!.subarray(20),
      ...second!.subarray(20),
    ]);
    expect(checksumsAreGood(whole)).toBe(true);
    expect(Math.max(...datagramBytes)).toBeLessThanOrEqual(1000 + DATA_OVERHEAD_BYTES);
    expect(left.drops()).toEqual({});
  });

  it("IPv6 has its minimum, whatever the path carries", () => {
    resize(1064);
    const packet = packetOf(6, 1280);
    expect(pass(packet)).toEqual([packet]);
    expect(pass(packetOf(6, 1281))).toEqual([]);
    const [error] = left.takePackets();
    expect([...error!.subarray(44, 48)]).toEqual([0, 0, 1280 >> 8, 1280 & 0xff]);
  });

  it.each([4, 6] as const)("IPv%i TCP is cut to it, superpackets and single ones", (version) => {
    resize(1064);
    const packet = tcpOf(version, { tcpFlags: ACK, payload: bytesOf(20_000) });
    left.tun.inject(frameOf(packet, 1360));
    const single = tcpOf(version, { tcpFlags: ACK, payload: bytesOf(1360) });
    left.tun.injectPacket(single);
    left.drain();
    right.drain();
    const bytes = right.takePackets().reduce((sum, each) => sum + each.length - (version === 4 ? 40 : 60), 0);
    expect(bytes).toBe(20_000 + 1360);
    expect(Math.max(...datagramBytes)).toBe(1064 + DATA_OVERHEAD_BYTES);
  });

  it("a SYN says so, in both directions", () => {
    resize(1064);
    const mss = (value: number) => Uint8Array.from([2, 4, value >> 8, value & 0xff]);
    const [out] = pass(tcpOf(4, { tcpFlags: SYN, tcpOptions: mss(1380) }));
    expect(out).toEqual(tcpOf(4, { tcpFlags: SYN, tcpOptions: mss(1024) }));
    left.tun.inject(frameOf(tcpOf(6, { tcpFlags: SYN, tcpOptions: mss(1360) }), 0, 0));
    left.drain();
    right.drain();
    expect(right.takePackets()).toEqual([tcpOf(6, { tcpFlags: SYN, tcpOptions: mss(1004) })]);
    const back = (value: number) =>
      buildPacket({
        version: 4,
        protocol: TCP,
        source: ADDRESSES.right4,
        destination: ADDRESSES.left4,
        tcpFlags: SYN | ACK,
        tcpOptions: mss(value),
      });
    right.tun.injectPacket(back(1380));
    right.drain();
    left.drain();
    expect(left.takePackets()).toEqual([back(1024)]);
  });

  it("while it is not known, nothing is refused: only TCP is cut, and no SYN is changed", () => {
    resize(1120, INTERFACE_MTU);
    const packet = packetOf(4, INTERFACE_MTU);
    expect(pass(packet)).toEqual([packet]);
    const syn = tcpOf(4, { tcpFlags: SYN, tcpOptions: Uint8Array.from([2, 4, 1380 >> 8, 1380 & 0xff]) });
    expect(pass(syn)).toEqual([syn]);
    datagramBytes = [];
    left.tun.inject(frameOf(tcpOf(4, { tcpFlags: ACK, payload: bytesOf(5000) }), 1380));
    left.drain();
    expect(Math.max(...datagramBytes)).toBe(1120 + DATA_OVERHEAD_BYTES);
  });

  it("is the path's own: another one carries what it carries", () => {
    resize(1064);
    left.apply(
      { type: "set-path", peer: 0, path: 4, endpoint: { ...right.address } },
      { type: "use-paths", peer: 0, primary: 4, second: 3 },
    );
    const packet = packetOf(4, INTERFACE_MTU);
    expect(pass(packet).length).toBe(1);
    left.apply({ type: "use-paths", peer: 0, primary: 3, second: null });
    expect(pass(packet)).toEqual([]);
  });
});

describe("a probe of a size", () => {
  it("is that large, to the byte, and is answered small", () => {
    const probe = { type: "send-probe", peer: 0, path: 3, id: 7, sequence: 9 } as const;
    left.apply({ ...probe, padding: { sizeBytes: 1307, isWhole: true } });
    right.drain();
    left.drain();
    expect(datagramBytes).toEqual([1307 + DATA_OVERHEAD_BYTES, 64 + DATA_OVERHEAD_BYTES]);
    expect(left.takeEvents("probe-reply")).toMatchObject([{ id: 7, sequence: 9, path: 3 }]);
  });

  it("comes back as refused when our own host does not let it out", () => {
    const probe = { type: "send-probe", peer: 0, path: 3, id: 7, sequence: 9 } as const;
    left.transport.limitBytes = 1400;
    left.apply({ ...probe, padding: { sizeBytes: 1400, isWhole: true } });
    expect(left.takeEvents("probe-refused")).toEqual([{ type: "probe-refused", peer: 0, path: 3, id: 7, sequence: 9 }]);
    expect(left.drops()).toEqual({});
  });
});
