import { beforeEach, describe, expect, it } from "vitest";
import { parseAddress } from "../../../../src/packet/address.ts";
import { MemoryNetwork } from "../../../../src/transports/memory/memory-transport.ts";
import { WHITEPAPER_TIMINGS } from "../../../../src/wireguard/constants.ts";
import { PeerCell } from "../../../../src/wireguard/shared-state.ts";
import { ACK, buildPacket, bytesOf, frameOf, PSH, segmentsOf, TCP, UDP } from "../../packet/wire.ts";
import {
  ADDRESSES,
  acquaintedPair,
  installSession,
  ManualClock,
  type PlaneNode,
  type PlanePair,
} from "../plane-node.ts";

let network: MemoryNetwork;
let clock: ManualClock;
let left: PlaneNode;
let right: PlaneNode;

function use(pair: PlanePair): void {
  ({ left, right } = pair);
}

beforeEach(() => {
  network = new MemoryNetwork();
  clock = new ManualClock();
  use(acquaintedPair(network, clock));
});

function udpPacket(payload: Uint8Array, version: 4 | 6 = 4, to = version === 4 ? ADDRESSES.right4 : ADDRESSES.right6) {
  const source = version === 4 ? ADDRESSES.left4 : ADDRESSES.left6;
  return buildPacket({ version, protocol: UDP, source, destination: to, sourcePort: 1, destinationPort: 2, payload });
}

function connect(): void {
  installSession(left, right, { createdAtMs: clock.nowMs });
  left.apply({ type: "send-staged", peer: 0 });
  right.drain();
}

describe("a packet's way", () => {
  it.each([4, 6] as const)("brings IPv%i packets of all sizes over unchanged", (version) => {
    connect();
    const packets = [0, 1, 15, 16, 17, 64, 600, 1372].map((size) => udpPacket(bytesOf(size, size), version));
    for (const packet of packets) left.tun.injectPacket(packet);
    left.drain();
    right.drain();
    expect(right.takePackets()).toEqual(packets);
    expect(right.drops()).toEqual({});
  });

  it.each([4, 6] as const)("splits an IPv%i TCP superpacket and joins it again", (version) => {
    connect();
    const isV4 = version === 4;
    const packet = buildPacket({
      version,
      protocol: TCP,
      source: isV4 ? ADDRESSES.left4 : ADDRESSES.left6,
      destination: isV4 ? ADDRESSES.right4 : ADDRESSES.right6,
      tcpFlags: ACK | PSH,
      payload: bytesOf(40_000, 3),
    });
    const frame = frameOf(packet, 1300);
    left.tun.inject(frame);
    left.drain();
    right.drain();
    expect(right.tun.written).toHaveLength(1);
    expect(right.takePackets()).toEqual(segmentsOf(frame));
    expect(left.transport.stats.sentDatagrams).toBe(1 + Math.ceil(40_000 / 1300));
  });

  it("carries packets of several frames in one row", () => {
    connect();
    const before = left.transport.stats.sentCalls;
    for (let i = 0; i < 10; i++) left.tun.injectPacket(udpPacket(bytesOf(64, i)));
    left.drain();
    right.drain();
    expect(left.transport.stats.sentCalls - before).toBe(1);
    expect(right.takePackets()).toHaveLength(10);
  });

  it("counts messages and bytes of the wire exactly, keepalives included", () => {
    installSession(left, right, { createdAtMs: clock.nowMs });
    left.apply({ type: "send-keepalive", peer: 0 });
    for (const size of [0, 100]) left.tun.injectPacket(udpPacket(bytesOf(size)));
    left.drain();
    right.drain();
    const bytes = 32 + (32 + 32) + (32 + 128);
    expect(left.cells.get(0, PeerCell.txMessages)).toBe(3);
    expect(left.cells.get(0, PeerCell.txBytes)).toBe(bytes);
    expect(right.cells.get(0, PeerCell.rxMessages)).toBe(3);
    expect(right.cells.get(0, PeerCell.rxBytes)).toBe(bytes);
    expect(right.takePackets()).toHaveLength(2);
  });

  it("tells the host when no peer has the destination", () => {
    connect();
    left.tun.injectPacket(udpPacket(bytesOf(20), 4, ADDRESSES.stranger4));
    left.drain();
    const [icmp] = left.takePackets();
    expect([...icmp!.subarray(12, 20)]).toEqual([...ADDRESSES.stranger4, ...ADDRESSES.left4]);
    expect([icmp![9], icmp![20]]).toEqual([1, 3]);
    expect(left.drops()).toEqual({ "out-no-route": 1 });
  });

  it("tells the host when a packet is larger than the tunnel", () => {
    connect();
    left.tun.injectPacket(udpPacket(bytesOf(1421 - 28)));
    left.tun.injectPacket(udpPacket(bytesOf(1420 - 28)));
    left.drain();
    right.drain();
    const [icmp] = left.takePackets();
    expect([icmp![20], icmp![21], new DataView(icmp!.buffer).getUint16(26)]).toEqual([3, 4, 1420]);
    expect(left.drops()).toEqual({ "out-too-big": 1 });
    expect(right.takePackets()).toHaveLength(1);
  });

  it("does not seal its own datagrams again when the route to the peer leads back into the tunnel", () => {
    connect();
    left.allow(0, "192.0.2.0/24");
    const outer = {
      version: 4,
      protocol: UDP,
      source: parseAddress(left.address.address),
      destination: parseAddress(right.address.address),
      sourcePort: left.address.port,
      destinationPort: right.address.port,
      payload: bytesOf(96),
    } as const;
    left.tun.injectPacket(buildPacket(outer));
    left.drain();
    expect(left.drops()).toEqual({ "out-loop": 1 });
    // Somebody else's datagrams to the peer are its own business.
    left.tun.injectPacket(buildPacket({ ...outer, sourcePort: 1 }));
    left.tun.injectPacket(buildPacket({ ...outer, destinationPort: 1 }));
    left.drain();
    expect(left.drops()).toEqual({ "out-loop": 1 });
  });

  it("answers hopeless packets at a bounded rate", () => {
    for (let i = 0; i < 300; i++) {
      left.tun.injectPacket(udpPacket(bytesOf(20), 4, ADDRESSES.stranger4));
      left.drain();
    }
    expect(left.tun.written).toHaveLength(50);
    expect(left.drops()).toEqual({ "out-no-route": 300 });
    expect(left.counters.dropsOf(0)).toEqual({});
  });

  it("takes a packet only from the peer that has its source (cryptokey routing)", () => {
    connect();
    const spoofed = buildPacket({
      version: 4,
      protocol: UDP,
      source: ADDRESSES.stranger4,
      destination: ADDRESSES.right4,
      payload: bytesOf(8),
    });
    left.tun.injectPacket(spoofed);
    left.drain();
    right.drain();
    expect(right.takePackets()).toEqual([]);
    expect(right.drops()).toEqual({ "in-spoofed-source": 1 });
    expect([0, 1].map((peer) => right.counters.dropsOf(peer))).toEqual([{ "in-spoofed-source": 1 }, {}]);
  });

  it("moves a prefix to the peer that got it last, and keeps it there", () => {
    connect();
    right.apply({ type: "add-peer", peer: 1, hasPaths: false });
    right.allow(1, "10.0.0.1/32");
    right.apply({ type: "disallow", peer: 0, address: ADDRESSES.left4, prefixBits: 32 });
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    right.drain();
    expect(right.drops()).toEqual({ "in-spoofed-source": 1 });
    right.apply({ type: "disallow", peer: 1, address: ADDRESSES.left4, prefixBits: 32 });
    right.allow(0, "10.0.0.1/32");
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    right.drain();
    expect(right.takePackets()).toHaveLength(1);
  });

  it("says when the device refuses what it is given", () => {
    connect();
    right.tun.isRefusing = true;
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    right.drain();
    expect(right.drops()).toEqual({ "in-device-refused": 1 });
    expect(right.counters.interface().tunFramesWritten).toBe(0);
  });
});

describe("the stage", () => {
  it("holds packets until there is a session, then sends them in order", () => {
    const packets = [1, 2, 3].map((size) => udpPacket(bytesOf(size)));
    for (const packet of packets) left.tun.injectPacket(packet);
    left.drain();
    expect(left.takeEvents("need-handshake")).toEqual([{ type: "need-handshake", peer: 0 }]);
    connect();
    expect(right.takePackets()).toEqual(packets);
  });

  it("holds 128 packets, drops the oldest, and counts a superpacket as its segments", () => {
    const frame = frameOf(
      buildPacket({
        version: 4,
        protocol: TCP,
        source: ADDRESSES.left4,
        destination: ADDRESSES.right4,
        tcpFlags: ACK,
        payload: bytesOf(28_000),
      }),
      1000,
    );
    for (let i = 0; i < 6; i++) left.tun.inject(frame);
    left.drain();
    expect(left.drops()).toEqual({ "out-stage-full": 2 * 28 });
    expect(left.counters.dropsOf(0)).toEqual(left.drops());
    for (let i = 0; i < 100; i++) left.tun.injectPacket(udpPacket(bytesOf(1, i)));
    left.drain();
    connect();
    const packets = right.takePackets();
    expect(packets).toHaveLength(28 + 100);
    expect(packets.at(-1)?.subarray(28)).toEqual(bytesOf(1, 99));
  });

  it("asks for a handshake again, but not for every packet", () => {
    const sendOne = () => {
      left.tun.injectPacket(udpPacket(bytesOf(8)));
      left.drain();
      return left.takeEvents("need-handshake").length;
    };
    expect([sendOne(), sendOne(), sendOne()]).toEqual([1, 0, 0]);
    clock.nowMs += 250;
    expect([sendOne(), sendOne()]).toEqual([1, 0]);
  });

  it("is emptied when the engine gives up, and when the peer goes", () => {
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    left.apply({ type: "drop-staged", peer: 0 });
    expect(left.counters.dropsOf(0)).toEqual({ "out-stage-abandoned": 1 });
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    left.apply({ type: "remove-peer", peer: 0 });
    expect(left.drops()).toEqual({ "out-stage-abandoned": 2 });
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    expect(left.drops()).toEqual({ "out-stage-abandoned": 2, "out-no-route": 1 });
    // The next peer of this index begins at nothing.
    expect(left.counters.dropsOf(0)).toEqual({});
  });

  it("sends a keepalive where nothing waits, so that the responder's keys are confirmed", () => {
    installSession(left, right, { createdAtMs: clock.nowMs });
    left.apply({ type: "send-staged", peer: 0 });
    right.drain();
    expect(left.transport.stats.sentBytes).toBe(32);
    expect(right.takeEvents("promoted")).toEqual([{ type: "promoted", peer: 0, slot: 0 }]);
  });
});

describe("sessions", () => {
  it("the responder sends what is staged on the first message that confirms its keypair", () => {
    const reply = buildPacket({
      version: 4,
      protocol: UDP,
      source: ADDRESSES.right4,
      destination: ADDRESSES.left4,
      payload: bytesOf(8),
    });
    installSession(left, right, { createdAtMs: clock.nowMs });
    right.tun.injectPacket(reply);
    right.drain();
    expect(right.transport.stats.sentDatagrams).toBe(0);
    left.apply({ type: "send-keepalive", peer: 0 });
    right.drain();
    left.drain();
    expect(left.takePackets()).toEqual([reply]);
  });

  it("nothing is sent or taken after Reject-After-Time", () => {
    connect();
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    clock.nowMs += WHITEPAPER_TIMINGS.rejectAfterMs;
    right.drain();
    expect(right.drops()).toEqual({ "in-session-expired": 1 });
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    expect(left.takeEvents("need-handshake")).toHaveLength(1);
    expect(left.drops()).toEqual({});
  });

  it("the initiator asks for a new session after Rekey-After-Time, the responder does not", () => {
    connect();
    left.takeEvents("need-handshake");
    clock.nowMs += WHITEPAPER_TIMINGS.rekeyAfterMs;
    left.tun.injectPacket(udpPacket(bytesOf(8)));
    left.drain();
    expect(left.takeEvents("need-handshake")).toHaveLength(1);
    right.drain();
    right.apply({ type: "send-keepalive", peer: 0 });
    expect(right.takeEvents("need-handshake")).toHaveLength(0);
  });

  it("a removed keypair reads zero and is reported", () => {
    connect();
    left.apply({ type: "remove-keypair", peer: 0, slot: 0 });
    expect(left.slots.isWiped(0)).toBe(true);
    expect(left.takeEvents("slot-wiped")).toEqual([{ type: "slot-wiped", slot: 0 }]);
    right.plane.close();
    expect(right.slots.isWiped(0)).toBe(true);
  });
});
