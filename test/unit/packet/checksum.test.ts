import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checksumOf,
  copyAndSum,
  foldSum,
  sumBytes,
  sumPseudoHeader,
  swapBytes16,
} from "../../../src/packet/checksum.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { naiveSum } from "./wire.ts";

function bufferWith(data: Uint8Array, offset: number): PacketBuffer {
  const buffer = new PacketBuffer(((offset + data.length + 3) & -4) + 8);
  buffer.bytes.fill(0xa5);
  buffer.bytes.set(data, offset);
  return buffer;
}

const data = fc.uint8Array({ maxLength: 3000, size: "max" });

describe("Internet checksum (RFC 1071)", () => {
  it("gives the sum of the example of RFC 1071 §3", () => {
    const buffer = bufferWith(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0);
    expect(swapBytes16(foldSum(sumBytes(buffer, 0, 8, 0)))).toBe(0xddf2);
    expect(swapBytes16(checksumOf(sumBytes(buffer, 0, 8, 0)))).toBe(0x220d);
  });

  it("agrees with the naive sum at every alignment and length", () => {
    fc.assert(
      fc.property(data, fc.nat(7), (bytes, offset) => {
        const folded = foldSum(sumBytes(bufferWith(bytes, offset), offset, bytes.length, 0));
        expect(swapBytes16(folded)).toBe(naiveSum(bytes));
      }),
    );
  });

  it("does not overflow on 64 KiB of ones", () => {
    const bytes = new Uint8Array(65_536).fill(0xff);
    for (const offset of [0, 1, 2]) {
      expect(foldSum(sumBytes(bufferWith(bytes, offset), offset, bytes.length, 2 ** 46))).toBe(
        foldSum(sumBytes(bufferWith(bytes, 0), 0, bytes.length, 0) + 2 ** 46),
      );
    }
    expect(foldSum(sumBytes(bufferWith(bytes, 0), 0, bytes.length, 0))).toBe(0xffff);
  });

  it("sums pieces of even length one after the other", () => {
    fc.assert(
      fc.property(data, data, fc.nat(3), (first, second, offset) => {
        const even = first.subarray(0, first.length & -2);
        const all = Uint8Array.from([...even, ...second]);
        const sum = sumBytes(bufferWith(even, offset), offset, even.length, 0);
        const total = sumBytes(bufferWith(second, offset), offset, second.length, sum);
        expect(swapBytes16(foldSum(total))).toBe(naiveSum(all));
      }),
    );
  });

  it("copies and sums in one go, touching nothing beside the target", () => {
    fc.assert(
      fc.property(data, fc.nat(7), fc.nat(7), (bytes, from, to) => {
        const source = bufferWith(bytes, from);
        const target = new PacketBuffer(((to + bytes.length + 3) & -4) + 8);
        const sum = copyAndSum(source, from, target, to, bytes.length, 0);
        expect(swapBytes16(foldSum(sum))).toBe(naiveSum(bytes));
        expect(target.bytes.subarray(to, to + bytes.length).equals(bytes)).toBe(true);
        expect(target.bytes.subarray(0, to).every((byte) => byte === 0)).toBe(true);
        expect(target.bytes.subarray(to + bytes.length).every((byte) => byte === 0)).toBe(true);
      }),
    );
  });

  it.each([4, 16])("sums the pseudo header of addresses of %i bytes", (addressBytes) => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 2 * addressBytes, maxLength: 2 * addressBytes }),
        fc.nat(255),
        fc.nat(65_535),
        fc.nat(5),
        (addresses, protocol, length, offset) => {
          const sum = sumPseudoHeader(bufferWith(addresses, offset), offset, addressBytes, protocol, length);
          expect(swapBytes16(foldSum(sum))).toBe(naiveSum([...addresses, 0, protocol, length >> 8, length & 0xff]));
        },
      ),
    );
  });
});
