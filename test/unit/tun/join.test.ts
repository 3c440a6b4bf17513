import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { Joiner } from "../../../src/tun/join.ts";
import { MemoryTun } from "../../../src/tun/memory-tun.ts";
import {
  ACK,
  buildPacket,
  bytesOf,
  CWR,
  checksumsAreGood,
  completeChecksums,
  ECE,
  FIN,
  frameOf,
  type PacketSpec,
  PSH,
  RST,
  SYN,
  segmentsOf,
  TCP,
  transportOffsetOf,
  UDP,
  URG,
} from "../packet/wire.ts";
import { packetSpec } from "./arbitraries.ts";

/** Lays packets out as a receive buffer has them: header room, packet, padding, tag. */
function arenaOf(packets: readonly Uint8Array[], shift = 0): { buffer: PacketBuffer; offsets: number[] } {
  const stride = Math.max(16, ...packets.map((packet) => 32 + ((packet.length + 15) & -16))) + shift;
  const buffer = new PacketBuffer((packets.length * stride + 19) & -4);
  buffer.bytes.fill(0xa5);
  const offsets = packets.map((packet, i) => {
    buffer.bytes.set(packet, i * stride + 16);
    return i * stride + 16;
  });
  return { buffer, offsets };
}

/** The frames that the joiner writes for packets that came in one batch. */
function join(packets: readonly Uint8Array[], tun = new MemoryTun(), shift = 0): Uint8Array[] {
  const { buffer, offsets } = arenaOf(packets, shift);
  const joiner = new Joiner(tun.offloads, tun);
  const record = new PacketRecord();
  for (const [i, packet] of packets.entries()) {
    expect(parsePacket(buffer, offsets[i]!, packet.length, record)).toBe(true);
    joiner.add(buffer, record);
  }
  joiner.flush();
  expect(joiner.packets).toBe(packets.length);
  expect(joiner.frames).toBe(tun.written.length);
  return tun.takeWritten();
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Segmenting what was written must give the very packets that came in. */
function expectSame(frames: readonly Uint8Array[], packets: readonly Uint8Array[]): void {
  const segments = frames.flatMap((frame) => segmentsOf(frame));
  expect(segments.map((segment) => segment.length)).toEqual(packets.map((packet) => packet.length));
  for (const [i, packet] of packets.entries()) expect(hex(segments[i]!)).toBe(hex(packet));
}

/** `count` segments of one stream that follow on each other. */
function stream(spec: PacketSpec, count: number, segmentBytes: number, lastBytes = segmentBytes): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    buildPacket({
      ...spec,
      sequence: ((spec.sequence ?? 1) + i * segmentBytes) >>> 0,
      identification: ((spec.identification ?? 0) + i) & 0xffff,
      payload: bytesOf(i === count - 1 ? lastBytes : segmentBytes, i + 1),
    }),
  );
}

const timestamps = Uint8Array.of(1, 1, 8, 10, 0, 1, 2, 3, 9, 8, 7, 6);

describe.each([
  [4, TCP],
  [6, TCP],
  [4, UDP],
  [6, UDP],
] as const)("joining over IPv%i, protocol %i", (version, protocol) => {
  const spec: PacketSpec = { version, protocol, sequence: 0xffff_f000, identification: 0xfff0, flowLabel: 5 };
  const name = protocol === TCP ? "TCP" : "UDP";

  it("makes one frame of a whole run, at any alignment", () => {
    for (const shift of [0, 1, 2, 3]) {
      const packets = stream(spec, 40, 1301, 77);
      const frames = join(packets, new MemoryTun(), shift);
      expect(frames.length).toBe(1);
      expectSame(frames, packets);
    }
  });

  it("writes the virtio header and the partial checksum that the kernel makes for the same data", () => {
    const packets = stream(spec, 5, 1000, 300);
    const payload = Buffer.concat(
      packets.map((packet) => packet.subarray(transportOffsetOf(packet) + (protocol === TCP ? 20 : 8))),
    );
    const [frame, ...more] = join(packets);
    expect(more).toEqual([]);
    expect(hex(frame!)).toBe(hex(frameOf(buildPacket({ ...spec, payload }), 1000)));
  });

  it("leaves a packet that is alone untouched, bad checksum and all", () => {
    const packet = buildPacket({ ...spec, payload: bytesOf(500) });
    packet[packet.length - 1]! ^= 1;
    const [frame, ...more] = join([packet]);
    expect(more).toEqual([]);
    expect(hex(frame!)).toBe(`${"00".repeat(10)}${hex(packet)}`);
  });

  it("never lets a bad checksum into a superpacket", () => {
    for (const bad of [0, 1, 2, 4]) {
      const packets = stream(spec, 5, 800);
      packets[bad]![packets[bad]!.length - 1]! ^= 1;
      const frames = join(packets);
      expect(frames.map((frame) => segmentsOf(frame).length)).toEqual(
        { 0: [1, 4], 1: [1, 1, 3], 2: [2, 1, 2], 4: [4, 1] }[bad],
      );
      expectSame(frames, packets);
      const good = frames.flatMap((frame) => segmentsOf(frame)).map(checksumsAreGood);
      expect(good).toEqual(packets.map((_, i) => i !== bad));
    }
  });

  const different: [string, Partial<PacketSpec>][] = [
    ["a source port", { sourcePort: 7 }],
    ["a destination port", { destinationPort: 7 }],
    ["a source address", { source: bytesOf(version === 4 ? 4 : 16, 9) }],
    ["a destination address", { destination: bytesOf(version === 4 ? 4 : 16, 9) }],
    ["congestion experienced", { trafficClass: 3 }],
    ["a DSCP", { trafficClass: 0xb8 }],
    ["a hop limit", { hopLimit: 63 }],
    ...(version === 6 ? ([["a flow label", { flowLabel: 6 }]] as [string, Partial<PacketSpec>][]) : []),
    ...(version === 4 ? ([["the DF bit", { dontFragment: true }]] as [string, Partial<PacketSpec>][]) : []),
    ...(protocol === TCP
      ? ([
          ["an acknowledgement", { acknowledgement: 8 }],
          ["a window", { window: 501 }],
          ["a timestamp", { tcpOptions: timestamps }],
          ["a sequence number", { sequence: 1 }],
          ["ECE", { tcpFlags: ACK | ECE }],
        ] as [string, Partial<PacketSpec>][])
      : []),
    ["IP options", { ipOptionsBytes: 8 }],
  ];
  it.each(different)("keeps packets apart that differ in %s", (_what, difference) => {
    const packets = stream({ ...spec, dontFragment: false }, 3, 600);
    packets[1] = buildPacket({
      ...spec,
      dontFragment: false,
      sequence: (0xffff_f000 + 600) >>> 0,
      identification: 0xfff1,
      payload: bytesOf(600, 2),
      ...difference,
    });
    const frames = join(packets);
    expect(frames.every((frame) => frame[1] === 0 || segmentsOf(frame).length === 2)).toBe(true);
    expect(frames.length).toBeGreaterThan(1);
    const sorted = (list: readonly Uint8Array[]) => list.map(hex).sort();
    expect(sorted(frames.flatMap((frame) => segmentsOf(frame)))).toEqual(sorted(packets));
  });

  it("ends a superpacket with a shorter packet, and starts another with a longer one", () => {
    const short = [...stream(spec, 3, 600, 599), ...stream({ ...spec, sequence: 9000 }, 2, 600)];
    expect(join(short).map((frame) => segmentsOf(frame).length)).toEqual([3, 2]);
    const long = [
      ...stream(spec, 2, 600),
      ...stream({ ...spec, sequence: (0xffff_f000 + 1200) >>> 0, identification: 0xfff2 }, 2, 601),
    ];
    const frames = join(long);
    expect(frames.map((frame) => segmentsOf(frame).length)).toEqual([2, 2]);
    expectSame(frames, long);
  });

  it("stays within 64 segments and 65,535 bytes", () => {
    const small = join(stream(spec, 70, 100));
    expect(small.map((frame) => segmentsOf(frame).length)).toEqual([64, 6]);
    const large = join(stream(spec, 60, 1400));
    expect(large.map((frame) => segmentsOf(frame).length)).toEqual([46, 14]);
    for (const frame of large) expect(frame.length - 10).toBeLessThanOrEqual(65_535);
  });

  it("joins several flows that come interleaved, each in its order", () => {
    const flows = Array.from({ length: 10 }, (_, flow) => stream({ ...spec, sourcePort: 100 + flow }, 4, 500 + flow));
    const packets = Array.from({ length: 4 }, (_, i) => flows.map((flow) => flow[i]!)).flat();
    const frames = join(packets);
    expect(frames.length).toBe(10);
    expectSame(frames, flows.flat());
  });

  it("gives the oldest flow up when there are too many", () => {
    const flows = Array.from({ length: 40 }, (_, flow) => stream({ ...spec, sourcePort: 100 + flow }, 2, 500));
    const packets = [...flows.map((flow) => flow[0]!), ...flows.map((flow) => flow[1]!)];
    const frames = join(packets);
    const segments = frames.flatMap((frame) => segmentsOf(frame)).map(hex);
    expect([...segments].sort()).toEqual(packets.map(hex).sort());
    for (const flow of flows) expect(segments.indexOf(hex(flow[0]!))).toBeLessThan(segments.indexOf(hex(flow[1]!)));
  });

  it(`joins no ${name} for a device that does not take it`, () => {
    const packets = stream(spec, 4, 500);
    const none = { checksum: true, tcp4: false, tcp6: false, udp: false };
    for (const offloads of [none, { checksum: false, tcp4: true, tcp6: true, udp: true }]) {
      const frames = join(packets, new MemoryTun({ offloads }));
      expect(frames.map(hex)).toEqual(packets.map((packet) => `${"00".repeat(10)}${hex(packet)}`));
    }
  });

  it("counts what the device refuses", () => {
    const tun = new MemoryTun();
    tun.isRefusing = true;
    const packets = stream(spec, 2, 500);
    const { buffer, offsets } = arenaOf(packets);
    const joiner = new Joiner(tun.offloads, tun);
    const record = new PacketRecord();
    parsePacket(buffer, offsets[0]!, packets[0]!.length, record);
    joiner.add(buffer, record);
    joiner.flush();
    expect(joiner.refusedFrames).toBe(1);
  });
});

describe("joining TCP", () => {
  it("never lets a bad IPv4 header checksum into a superpacket", () => {
    for (const bad of [0, 2]) {
      const packets = stream({ version: 4, protocol: TCP }, 3, 800);
      packets[bad]![10]! ^= 1;
      const frames = join(packets);
      expect(frames.length).toBe(2);
      expectSame(frames, packets);
    }
  });

  it("ends a superpacket with PSH", () => {
    const packets = stream({ version: 4, protocol: TCP }, 6, 500);
    packets[2] = buildPacket({
      version: 4,
      protocol: TCP,
      sequence: 1001,
      identification: 2,
      tcpFlags: ACK | PSH,
      payload: bytesOf(500),
    });
    const frames = join(packets);
    expect(frames.map((frame) => segmentsOf(frame).length)).toEqual([3, 3]);
    expectSame(frames, packets);
  });

  it.each([
    ["SYN", SYN],
    ["RST", RST | ACK],
    ["FIN", FIN | ACK],
    ["URG", URG | ACK],
    ["CWR", CWR | ACK],
    ["no ACK", 0],
  ])("leaves %s alone, after what came before it", (_name, tcpFlags) => {
    const packets = stream({ version: 6, protocol: TCP }, 5, 500);
    packets[2] = buildPacket({ version: 6, protocol: TCP, sequence: 1001, tcpFlags, payload: bytesOf(500) });
    const frames = join(packets);
    expect(frames.map((frame) => segmentsOf(frame).length)).toEqual([2, 1, 2]);
    expectSame(frames, packets);
  });

  it("keeps a pure acknowledgement in its place", () => {
    const packets = stream({ version: 4, protocol: TCP }, 4, 500);
    packets.splice(2, 0, buildPacket({ version: 4, protocol: TCP, sequence: 1001, identification: 9 }));
    expectSame(join(packets), packets);
  });

  it("asks for identifications that count up only where the packet may be fragmented", () => {
    const packets = (dontFragment: boolean) =>
      stream({ version: 4, protocol: TCP, dontFragment }, 2, 500).map((packet, i) => {
        packet[5] = 7 * i;
        return completeChecksums(packet);
      });
    expect(join(packets(false)).length).toBe(2);
    expect(join(packets(true)).length).toBe(1);
  });

  it("leaves out of order and repeated segments as they came", () => {
    const packets = stream({ version: 4, protocol: TCP }, 4, 500);
    const order = [packets[0]!, packets[2]!, packets[1]!, packets[1]!, packets[3]!];
    expectSame(join(order), order);
  });

  it("passes fragments by, after everything before them", () => {
    const packets = stream({ version: 4, protocol: TCP, dontFragment: false }, 4, 500);
    packets[2]![6] = 0x20;
    packets[3]![6] = 0;
    packets[3]![7] = 63;
    const frames = join(packets);
    expect(frames.length).toBe(3);
    expect(frames.slice(1).map((frame) => hex(frame.subarray(10)))).toEqual(packets.slice(2).map(hex));
  });
});

describe("joining UDP", () => {
  it("leaves datagrams without a checksum alone", () => {
    const packets = stream({ version: 4, protocol: UDP }, 3, 500);
    for (const packet of packets) packet.set([0, 0], 26);
    expect(join(packets).map((frame) => hex(frame.subarray(10)))).toEqual(packets.map(hex));
  });
});

describe("joining", () => {
  it("delivers every flow's packets in order and unchanged, whatever comes", () => {
    const flow = fc.tuple(packetSpec, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 900 }), fc.nat(900));
    fc.assert(
      fc.property(
        fc.uniqueArray(flow, { maxLength: 8, selector: ([spec]) => spec.sourcePort }),
        fc.array(fc.nat(7), { maxLength: 60 }),
        fc.array(fc.nat(60), { maxLength: 3 }),
        fc.nat(3),
        (flows, order, damaged, shift) => {
          const streams = flows.map(([spec, count, bytes, last]) => stream(spec, count, bytes, Math.min(bytes, last)));
          const next = streams.map(() => 0);
          const packets: Uint8Array[] = [];
          for (const pick of [...order, ...Array.from({ length: 100 }, (_, i) => i % 8)]) {
            const packet = streams[pick]?.[next[pick]!++];
            if (packet !== undefined) packets.push(packet);
          }
          for (const index of damaged)
            if (index < packets.length) packets[index]!.set([0xbd], packets[index]!.length - 1);
          const segments = join(packets, new MemoryTun(), shift).flatMap((frame) => segmentsOf(frame));
          const flowOf = (packet: Uint8Array) => hex(packet.subarray(transportOffsetOf(packet)).subarray(0, 2));
          const byFlow = (list: readonly Uint8Array[]) =>
            streams.map((flow) => list.filter((packet) => flowOf(packet) === flowOf(flow[0]!)).map(hex));
          expect(segments.length).toBe(packets.length);
          expect(byFlow(segments)).toEqual(byFlow(packets));
        },
      ),
      { numRuns: 150 },
    );
  });

  it("writes out what it holds before it looks at another buffer", () => {
    const tun = new MemoryTun();
    const joiner = new Joiner(tun.offloads, tun);
    const record = new PacketRecord();
    for (const packet of stream({ version: 4, protocol: TCP }, 2, 500)) {
      const { buffer, offsets } = arenaOf([packet]);
      parsePacket(buffer, offsets[0]!, packet.length, record);
      joiner.add(buffer, record);
    }
    expect(tun.written.length).toBe(1);
    joiner.flush();
    joiner.flush();
    expect(tun.written.length).toBe(2);
  });
});
