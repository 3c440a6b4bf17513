import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageRun } from "../../../src/packet/message-run.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { Splitter } from "../../../src/tun/split.ts";
import { FRAME_READ_OFFSET } from "../../../src/tun/tun-device.ts";
import {
  ACK,
  buildPacket,
  bytesOf,
  CWR,
  checksumsAreGood,
  ECE,
  FIN,
  frameOf,
  type PacketSpec,
  PSH,
  plainFrameOf,
  RST,
  SYN,
  segmentsOf,
  TCP,
  transportOffsetOf,
  UDP,
  URG,
} from "../packet/wire.ts";
import { packetSpec } from "./arbitraries.ts";

const MTU = 1440;

function load(frame: Uint8Array, offset = FRAME_READ_OFFSET): PacketBuffer {
  const buffer = new PacketBuffer((offset + frame.length + 3) & -4);
  buffer.bytes.set(frame, offset);
  return buffer;
}

/** The packets of a run, its layout checked on the way. */
function packetsOf(run: MessageRun): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let i = 0; i < run.count; i++) {
    const start = run.offset + i * run.strideBytes;
    const messageBytes = i === run.count - 1 ? run.lastBytes : run.strideBytes;
    const plaintext = run.buffer.bytes.subarray(start + 16, start + messageBytes - 16);
    const view = new DataView(plaintext.buffer, plaintext.byteOffset);
    const packetBytes = plaintext[0]! >> 4 === 4 ? view.getUint16(2) : 40 + view.getUint16(4);
    expect(plaintext.length).toBe(Math.max(packetBytes, Math.min((packetBytes + 15) & -16, run.mtuBytes)));
    expect(plaintext.subarray(packetBytes).every((byte) => byte === 0)).toBe(true);
    packets.push(Uint8Array.from(plaintext.subarray(0, packetBytes)));
  }
  expect(run.totalBytes).toBe(run.count === 0 ? 0 : (run.count - 1) * run.strideBytes + run.lastBytes);
  return packets;
}

function split(frame: Uint8Array, mtuBytes = MTU, offset = FRAME_READ_OFFSET): Uint8Array[] {
  const splitter = new Splitter();
  const run = new MessageRun(mtuBytes);
  run.buffer.bytes.fill(0xa5);
  expect(splitter.begin(load(frame, offset), offset, frame.length)).toBe(true);
  expect(splitter.fitTo(mtuBytes)).toBe(true);
  const packets: Uint8Array[] = [];
  while (!splitter.fill(run)) {
    packets.push(...packetsOf(run));
    run.reset();
  }
  packets.push(...packetsOf(run));
  expect(packets.length).toBe(splitter.segmentCount);
  expect(Math.max(...packets.map((packet) => packet.length))).toBe(splitter.segmentBytes);
  return packets;
}

function expectSegments(packets: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  expect(packets.map((packet) => packet.length)).toEqual(expected.map((packet) => packet.length));
  for (const [i, packet] of packets.entries()) {
    const headers = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 120)).toString("hex");
    expect(headers(packet)).toBe(headers(expected[i]!));
    expect(Buffer.compare(packet, expected[i]!)).toBe(0);
  }
  for (const packet of packets) expect(checksumsAreGood(packet)).toBe(true);
}

function flagsOf(packet: Uint8Array): number {
  return packet[transportOffsetOf(packet) + 13]!;
}

const timestamps = Uint8Array.of(1, 1, 8, 10, 0, 1, 2, 3, 9, 8, 7, 6);

describe.each([4, 6] as const)("splitting superpackets over IPv%i", (version) => {
  const cases: [string, Partial<PacketSpec>, number][] = [
    ["TCP, an exact number of segments", { protocol: TCP, payload: bytesOf(4 * 1368) }, 1368],
    ["TCP, 64 KiB", { protocol: TCP, payload: bytesOf(65_000), tcpOptions: timestamps }, 1368],
    ["TCP, a last segment of one byte", { protocol: TCP, payload: bytesOf(2 * 1000 + 1) }, 1000],
    ["TCP, odd segments", { protocol: TCP, payload: bytesOf(4001), tcpOptions: timestamps }, 777],
    ["TCP, one segment only", { protocol: TCP, payload: bytesOf(500) }, 1368],
    ["TCP, no data at all", { protocol: TCP }, 1368],
    ["TCP, the longest options", { protocol: TCP, payload: bytesOf(3000), tcpOptions: bytesOf(40, 3) }, 900],
    ["TCP, IP options", { protocol: TCP, payload: bytesOf(3000), ipOptionsBytes: 24 }, 900],
    ["TCP, identification wraps", { protocol: TCP, payload: bytesOf(5000), identification: 0xfffe }, 900],
    ["TCP, sequence wraps", { protocol: TCP, payload: bytesOf(5000), sequence: 0xffff_ff00 }, 900],
    ["TCP, FIN and PSH", { protocol: TCP, payload: bytesOf(3000), tcpFlags: ACK | FIN | PSH }, 900],
    ["TCP, CWR and ECE", { protocol: TCP, payload: bytesOf(3000), tcpFlags: ACK | CWR | ECE, trafficClass: 2 }, 900],
    ["TCP, urgent", { protocol: TCP, payload: bytesOf(3000), tcpFlags: ACK | URG, urgentPointer: 1500 }, 900],
    ["UDP", { protocol: UDP, payload: bytesOf(5 * 1372) }, 1372],
    ["UDP, odd and a shorter last one", { protocol: UDP, payload: bytesOf(2001) }, 501],
    ["UDP, IP options", { protocol: UDP, payload: bytesOf(3000), ipOptionsBytes: 8 }, 900],
  ];
  it.each(cases)("%s", (_name, spec, gsoBytes) => {
    const packet = buildPacket({ version, protocol: TCP, ...spec });
    const frame = frameOf(packet, gsoBytes);
    expectSegments(split(frame), segmentsOf(frame));
  });

  it("gives the data back unchanged, with FIN and PSH on the last and CWR on the first segment only", () => {
    const payload = bytesOf(10_000);
    const tcpFlags = ACK | FIN | PSH | CWR;
    const packets = split(frameOf(buildPacket({ version, protocol: TCP, payload, tcpFlags }), 1000));
    const headerBytes = transportOffsetOf(packets[0]!) + 20;
    expect(Buffer.concat(packets.map((packet) => packet.subarray(headerBytes))).equals(payload)).toBe(true);
    expect(packets.map(flagsOf)).toEqual([ACK | CWR, ...new Array(8).fill(ACK), ACK | FIN | PSH]);
  });

  it("counts the urgent pointer from each segment's own sequence number", () => {
    const spec = { protocol: TCP, payload: bytesOf(3000), tcpFlags: ACK | URG, urgentPointer: 1500 } as const;
    const packets = split(frameOf(buildPacket({ version, ...spec }), 1000));
    expect(packets.map((packet) => (flagsOf(packet) & URG) !== 0)).toEqual([true, true, false]);
    const pointers = packets.map(
      (packet) => (packet.at(transportOffsetOf(packet) + 18)! << 8) | packet.at(transportOffsetOf(packet) + 19)!,
    );
    expect(pointers).toEqual([1500, 500, 0]);
  });

  it("completes the checksum of a packet that the kernel left half done", () => {
    for (const protocol of [TCP, UDP] as const) {
      for (const length of [0, 1, 999, 1300]) {
        const packet = buildPacket({ version, protocol, payload: bytesOf(length) });
        expectSegments(split(frameOf(packet, 0, 0)), [packet]);
      }
    }
  });

  it("sends a finished packet as it is, also with a bad checksum", () => {
    const packet = buildPacket({ version, protocol: UDP, payload: bytesOf(100) });
    packet[packet.length - 1]! ^= 1;
    const [sent, ...more] = split(plainFrameOf(packet));
    expect(Buffer.from(sent!).equals(packet)).toBe(true);
    expect(more).toEqual([]);
  });

  it("never sends a UDP checksum of zero", () => {
    // Two bytes of payload are chosen so that the sum comes out as 0xffff and its complement as 0.
    const base = buildPacket({ version, protocol: UDP, payload: Uint8Array.of(0, 0) });
    const field = transportOffsetOf(base) + 6;
    const payload = base.subarray(field, field + 2);
    const packet = buildPacket({ version, protocol: UDP, payload });
    expect([packet[field], packet[field + 1]]).toEqual([0xff, 0xff]);
    expectSegments(split(frameOf(packet, 0, 0)), [packet]);
    expectSegments(split(frameOf(packet, 2)), [packet]);
  });

  it("cuts TCP smaller for a path with a smaller MTU, with or without segmentation offload", () => {
    const payload = bytesOf(1341);
    const packet = buildPacket({ version, protocol: TCP, payload, tcpOptions: timestamps, tcpFlags: ACK | PSH });
    const headerBytes = packet.length - payload.length;
    for (const frame of [frameOf(packet, 1000), frameOf(packet, 0, 0), plainFrameOf(packet)]) {
      expectSegments(split(frame, 600), segmentsOf(frame, 600 - headerBytes));
    }
  });

  it("can begin a frame again that it has made fit before", () => {
    const packet = buildPacket({ version, protocol: TCP, payload: bytesOf(1300) });
    for (const frame of [plainFrameOf(packet), frameOf(packet, 0, 0), frameOf(packet, 1000)]) {
      const buffer = load(frame);
      const splitter = new Splitter();
      splitter.begin(buffer, FRAME_READ_OFFSET, frame.length);
      expect(splitter.fitTo(700)).toBe(true);
      const again = Uint8Array.from(buffer.bytes.subarray(FRAME_READ_OFFSET, FRAME_READ_OFFSET + frame.length));
      const headerBytes = packet.length - 1300;
      expectSegments(split(again, 700), segmentsOf(frame, 700 - headerBytes));
    }
  });

  it("refuses to cut what must not be cut", () => {
    const splitter = new Splitter();
    const fits = (frame: Uint8Array, mtuBytes: number) => {
      expect(splitter.begin(load(frame), FRAME_READ_OFFSET, frame.length)).toBe(true);
      return splitter.fitTo(mtuBytes);
    };
    const payload = bytesOf(1200);
    const tcp = buildPacket({ version, protocol: TCP, payload });
    expect(fits(plainFrameOf(tcp), tcp.length)).toBe(true);
    expect(fits(plainFrameOf(buildPacket({ version, protocol: UDP, payload })), 1000)).toBe(false);
    expect(fits(frameOf(buildPacket({ version, protocol: UDP, payload }), 1100), 1000)).toBe(false);
    for (const tcpFlags of [SYN, RST | ACK]) {
      expect(fits(frameOf(buildPacket({ version, protocol: TCP, payload, tcpFlags }), 0, 0), 1000)).toBe(false);
    }
    expect(fits(plainFrameOf(tcp), 47)).toBe(false);
    tcp[tcp.length - 1]! ^= 1;
    expect(fits(plainFrameOf(tcp), 1000)).toBe(false);
  });

  it("refuses superpackets whose virtio header does not fit the packet", () => {
    const splitter = new Splitter();
    const failureOf = (frame: Uint8Array) =>
      splitter.begin(load(frame), FRAME_READ_OFFSET, frame.length) ? "none" : splitter.failure;
    const patched = (protocol: 6 | 17, patches: Record<number, number>) => {
      const frame = frameOf(buildPacket({ version, protocol, payload: bytesOf(3000) }), 1000);
      for (const [at, value] of Object.entries(patches)) frame[Number(at)] = value;
      return failureOf(frame);
    };
    expect(patched(TCP, { 4: 0, 5: 0 })).toBe("bad-gso");
    expect(patched(TCP, { 1: version === 4 ? 4 : 1 })).toBe("bad-gso");
    expect(patched(TCP, { 1: 5 })).toBe("bad-gso");
    expect(patched(TCP, { 1: 3 })).toBe("bad-gso");
    expect(patched(TCP, { 1: 77 })).toBe("bad-gso");
    expect(patched(UDP, { 1: 3 })).toBe("bad-gso");
    expect(patched(UDP, { 1: 1 })).toBe("bad-gso");
    expect(patched(TCP, { 0: 0 })).toBe("bad-checksum-offload");
    expect(patched(TCP, { 6: 1 })).toBe("bad-checksum-offload");
    expect(patched(TCP, { 8: 6 })).toBe("bad-checksum-offload");
    expect(patched(UDP, { 8: 16 })).toBe("bad-checksum-offload");
    expect(patched(TCP, { 2: 255, 3: 255 })).toBe("none");
    expect(patched(TCP, { 1: (version === 4 ? 1 : 4) | 0x80 })).toBe("none");
    expect(failureOf(new Uint8Array(9))).toBe("truncated-virtio-header");
    expect(failureOf(new Uint8Array(10))).toBe("empty");
    const plain = frameOf(buildPacket({ version, protocol: UDP, payload: bytesOf(10) }), 0, 0);
    expect(failureOf(Uint8Array.from([...plain.subarray(0, 6), 4, 0, ...plain.subarray(8)]))).toBe(
      "bad-checksum-offload",
    );
    expect(failureOf(Uint8Array.from([...plain.subarray(0, 8), 255, 255, ...plain.subarray(10)]))).toBe(
      "bad-checksum-offload",
    );
    expect(failureOf(Uint8Array.from([...plain.subarray(0, 8), 7, 0, ...plain.subarray(10)]))).toBe(
      "bad-checksum-offload",
    );
  });
});

describe("splitting", () => {
  it("does what a network card does, for any headers, lengths and alignments", () => {
    fc.assert(
      fc.property(
        packetSpec,
        fc.nat(6000),
        fc.integer({ min: 16, max: 1300 }),
        fc.nat(3),
        fc.nat(),
        (spec, length, gsoBytes, shift, seed) => {
          const frame = frameOf(buildPacket({ ...spec, payload: bytesOf(length, seed) }), gsoBytes);
          expectSegments(split(frame, 1500, FRAME_READ_OFFSET + shift), segmentsOf(frame));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("never throws and never writes outside the run, whatever the frame", () => {
    fc.assert(
      fc.property(
        packetSpec,
        fc.nat(3000),
        fc.array(fc.tuple(fc.nat(110), fc.nat(255)), { maxLength: 6 }),
        fc.option(fc.nat(200)),
        (spec, length, patches, truncatedTo) => {
          const frame = frameOf(buildPacket({ ...spec, payload: bytesOf(length) }), 700);
          for (const [at, value] of patches) if (at < frame.length) frame[at] = value;
          const kept = truncatedTo === null ? frame : frame.subarray(0, truncatedTo);
          const splitter = new Splitter();
          const run = new MessageRun(MTU, { buffer: new PacketBuffer(66_000), offset: 64 });
          if (!splitter.begin(load(kept), FRAME_READ_OFFSET, kept.length) || !splitter.fitTo(MTU)) return;
          let packets = 0;
          while (!splitter.fill(run)) {
            packets += packetsOf(run).length;
            run.reset();
          }
          expect(packets + packetsOf(run).length).toBe(splitter.segmentCount);
          expect(run.buffer.bytes.subarray(0, 64).every((byte) => byte === 0)).toBe(true);
          expect(run.buffer.bytes.subarray(64 + 65_000).every((byte) => byte === 0)).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("gives the same segments when frame and run share one buffer", () => {
    for (const protocol of [TCP, UDP] as const) {
      const frame = frameOf(buildPacket({ version: 6, protocol, payload: bytesOf(20_000) }), 1301);
      const memory = new PacketBuffer(131_072);
      memory.bytes.set(frame, FRAME_READ_OFFSET);
      const run = new MessageRun(MTU, { buffer: memory, offset: 65_536 });
      const splitter = new Splitter();
      expect(splitter.begin(memory, FRAME_READ_OFFSET, frame.length)).toBe(true);
      expect(splitter.fill(run)).toBe(true);
      expectSegments(packetsOf(run), segmentsOf(frame));
    }
  });

  it("lays packets of several frames into one run while they fit its stride", () => {
    const splitter = new Splitter();
    const run = new MessageRun(MTU);
    const add = (packet: Uint8Array) => {
      const frame = plainFrameOf(packet);
      splitter.begin(load(frame), FRAME_READ_OFFSET, frame.length);
      return splitter.fill(run);
    };
    const packet = (length: number) => buildPacket({ version: 4, protocol: UDP, payload: bytesOf(length) });
    expect([add(packet(101)), add(packet(110)), add(packet(50)), add(packet(50))]).toEqual([true, true, true, false]);
    expectSegments(packetsOf(run), [packet(101), packet(110), packet(50)]);
    run.reset();
    expect([add(packet(50)), add(packet(200))]).toEqual([true, false]);
  });
});
