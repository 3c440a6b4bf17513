import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ipv4Fragmenter } from "../../../src/packet/ipv4-fragmenter.ts";
import { MessageRun } from "../../../src/packet/message-run.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { buildPacket, bytesOf, completeChecksums, naiveSum, UDP } from "./wire.ts";

function datagram(payloadBytes: number, ipOptions: readonly number[] = []): Uint8Array {
  const packet = buildPacket({
    version: 4,
    protocol: UDP,
    dontFragment: false,
    identification: 0x1234,
    payload: bytesOf(payloadBytes),
    ipOptionsBytes: ipOptions.length,
  });
  packet.set(ipOptions, 20);
  return completeChecksums(packet);
}

/** Of `packet`, through a run that holds few messages at a time. */
function fragmentsOf(packet: Uint8Array, mtuBytes: number): Uint8Array[] | undefined {
  const buffer = new PacketBuffer((packet.length + 9) & -4);
  buffer.bytes.set(packet, 6);
  const record = new PacketRecord();
  expect(parsePacket(buffer, 6, packet.length, record)).toBe(true);
  const fragmenter = new Ipv4Fragmenter();
  if (!fragmenter.begin(buffer, record, mtuBytes)) return undefined;
  const fragments: Uint8Array[] = [];
  for (let isDone = false; !isDone; ) {
    const run = new MessageRun(mtuBytes, { maxSegments: 3 });
    isDone = fragmenter.fill(run);
    for (let i = 0; i < run.count; i++) {
      const at = run.offset + i * run.strideBytes + 16;
      fragments.push(Uint8Array.from(run.buffer.bytes.subarray(at, at + run.buffer.view.getUint16(at + 2))));
    }
  }
  return fragments;
}

const headerBytesOf = (packet: Uint8Array) => (packet[0]! & 15) * 4;
const offsetOf = (packet: Uint8Array) => (((packet[6]! & 0x1f) << 8) | packet[7]!) * 8;
const hasMore = (packet: Uint8Array) => (packet[6]! & 0x20) !== 0;

/** RFC 791 §3.2, the other way round. */
function reassembled(fragments: readonly Uint8Array[]): Uint8Array {
  const sorted = fragments.toSorted((a, b) => offsetOf(a) - offsetOf(b));
  const data: number[] = [];
  for (const [i, fragment] of sorted.entries()) {
    expect(offsetOf(fragment)).toBe(data.length);
    expect(hasMore(fragment)).toBe(i < sorted.length - 1);
    data.push(...fragment.subarray(headerBytesOf(fragment)));
  }
  const first = sorted[0]!;
  const whole = Uint8Array.from([...first.subarray(0, headerBytesOf(first)), ...data]);
  whole.set([whole.length >> 8, whole.length & 0xff], 2);
  whole.set([0, 0], 6);
  return completeChecksums(whole);
}

describe("fragments of IPv4 (RFC 791 §3.2)", () => {
  it("fit, have right headers, and make the packet again", () => {
    fc.assert(
      fc.property(
        fc.nat(9000),
        fc.integer({ min: 68, max: 1500 }),
        fc.constantFrom(0, 4, 40),
        (size, mtuBytes, options) => {
          const packet = datagram(size, new Array<number>(options).fill(1));
          const fragments = fragmentsOf(packet, mtuBytes)!;
          for (const fragment of fragments) {
            expect(fragment.length).toBeLessThanOrEqual(mtuBytes);
            expect(naiveSum(fragment.subarray(0, headerBytesOf(fragment)))).toBe(0xffff);
          }
          expect(reassembled(fragments)).toEqual(packet);
          // As few as can be: all but the last are as large as eights allow.
          expect(fragments.length).toBe(Math.ceil((size + 8) / ((mtuBytes - 20 - options) & ~7)));
        },
      ),
    );
  });

  it("of a fragment keep its place, and say that more follow", () => {
    const pieces = fragmentsOf(datagram(3000), 1420)!;
    const again = pieces.flatMap((piece) => fragmentsOf(piece, 600)!);
    expect(again.length).toBeGreaterThan(pieces.length);
    expect(reassembled(again)).toEqual(datagram(3000));
  });

  it("carry options that are to be copied; those that are not stand in the first alone", () => {
    // Record route (7), which is not copied; a router alert (0x94), which is; end of options.
    const options = [7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0];
    const [first, second] = fragmentsOf(datagram(1000, options), 576)!;
    expect([...first!.subarray(20, 32)]).toEqual(options);
    expect([...second!.subarray(20, 32)]).toEqual([1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 0]);
  });

  it("are not made where no data would fit", () => {
    expect(fragmentsOf(datagram(100), 27)).toBeUndefined();
    expect(fragmentsOf(datagram(100), 28)).toHaveLength(14);
  });
});
