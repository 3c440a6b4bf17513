import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clampMss } from "../../../src/packet/mss-clamp.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { ACK, buildPacket, bytesOf, checksumsAreGood, completeChecksums, SYN, TCP } from "./wire.ts";

const NOP = 1;
const mssOption = (mss: number) => [2, 4, mss >> 8, mss & 0xff];

function synWith(version: 4 | 6, options: readonly number[], payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const padded = [...options, ...new Array<number>(-options.length & 3).fill(0)];
  return buildPacket({ version, protocol: TCP, tcpFlags: SYN, tcpOptions: Uint8Array.from(padded), payload });
}

function clamp(packet: Uint8Array, mtuBytes: number, hasChecksum = true): Uint8Array {
  const buffer = new PacketBuffer((packet.length + 9) & -4);
  buffer.bytes.set(packet, 6);
  const record = new PacketRecord();
  expect(parsePacket(buffer, 6, packet.length, record)).toBe(true);
  clampMss(buffer, record, mtuBytes, hasChecksum);
  return Uint8Array.from(buffer.bytes.subarray(6, 6 + packet.length));
}

/** Options of every size around the MSS, some of them strange. */
const otherOptions = fc
  .array(
    fc.oneof(
      fc.constant([NOP]),
      fc.integer({ min: 2, max: 8 }).map((size) => [200 + size, size, ...bytesOf(size - 2)]),
    ),
    {
      maxLength: 4,
    },
  )
  .map((options) => options.flat());

describe("the MSS of a SYN (RFC 9293 §3.7.1)", () => {
  it("is lowered to what the path holds and never raised, wherever the option stands, with a right checksum", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(4 as const, 6 as const),
        otherOptions,
        fc.nat(65_535),
        otherOptions,
        fc.integer({ min: 576, max: 9000 }),
        fc.nat(20),
        (version, before, mss, after, mtuBytes, payloadBytes) => {
          const options = [...before, ...mssOption(mss), ...after].slice(0, 40);
          fc.pre(options.length >= before.length + 4);
          const payload = bytesOf(payloadBytes);
          const held = mtuBytes - (version === 4 ? 40 : 60);
          const expected = synWith(
            version,
            [...before, ...mssOption(Math.min(mss, held)), ...after].slice(0, 40),
            payload,
          );
          const clamped = clamp(synWith(version, options, payload), mtuBytes);
          // 0 and 0xffff are the same number in one's complement arithmetic; either is a right checksum.
          expect(checksumsAreGood(clamped)).toBe(true);
          expect(completeChecksums(clamped)).toEqual(expected);
        },
      ),
    );
  });

  it("leaves a checksum alone that is still to be completed", () => {
    const packet = synWith(4, mssOption(1460));
    const clamped = clamp(packet, 1340, false);
    const field = 20 + 22;
    expect([...clamped.subarray(field, field + 2)]).toEqual([1300 >> 8, 1300 & 0xff]);
    clamped.set(packet.subarray(field, field + 2), field);
    expect(clamped).toEqual(packet);
  });

  it.each([
    ["no option", []],
    ["the end before it", [0, ...mssOption(1460)]],
    ["an option that reaches too far", [200, 20, 2, 4]],
    ["an option of no length", [200, 0, ...mssOption(1460)]],
    ["an option cut off after its kind", [NOP, NOP, NOP, 2]],
    ["an MSS of a wrong length", [2, 6, 5, 180, 5, 180]],
  ])("stays as it is with %s", (_, options) => {
    const packet = synWith(4, options);
    expect(clamp(packet, 576)).toEqual(packet);
  });

  it("stays as it is in a fragment", () => {
    const packet = synWith(4, mssOption(1460));
    packet[6] = 0x20;
    expect(clamp(packet, 576)).toEqual(packet);
  });

  it("is looked for in a SYN-ACK alike", () => {
    const options = Uint8Array.from(mssOption(1460));
    const packet = buildPacket({ version: 6, protocol: TCP, tcpFlags: SYN | ACK, tcpOptions: options });
    const lowered = buildPacket({
      version: 6,
      protocol: TCP,
      tcpFlags: SYN | ACK,
      tcpOptions: Uint8Array.from(mssOption(1140)),
    });
    expect(clamp(packet, 1200)).toEqual(lowered);
  });
});
