import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PipeRing } from "../../../src/transports/pipe/pipe-ring.ts";

const CAPACITY = 256;

function take(ring: PipeRing): { pipe: number; bytes: number[] } | undefined {
  const sizeBytes = ring.nextBytes();
  if (sizeBytes < 0) return undefined;
  const { pipe } = ring;
  const bytes = Buffer.alloc(sizeBytes);
  ring.shift(bytes, 0);
  return { pipe, bytes: [...bytes] };
}

describe("the ring between the threads", () => {
  it("gives out what went in, in order, over many turns, and refuses what does not fit", () => {
    const step = fc.oneof(
      fc.record({ pipe: fc.integer({ min: 1, max: 9 }), size: fc.integer({ min: 0, max: CAPACITY }) }),
      fc.constant("take" as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const writer = new PipeRing(CAPACITY);
        const reader = new PipeRing(writer.buffer);
        const expected: { pipe: number; bytes: number[] }[] = [];
        let fill = 0;
        for (const each of steps) {
          if (each === "take") {
            expect(take(reader)).toEqual(expected.shift());
            continue;
          }
          const source = Buffer.alloc(each.size + 3, ++fill % 256);
          const isTaken = writer.push(each.pipe, source, 3, each.size);
          if (isTaken) expected.push({ pipe: each.pipe, bytes: [...source.subarray(3)] });
          else expect(expected.length > 0 || each.size + 8 > CAPACITY / 2).toBe(true);
        }
        for (const each of expected) expect(take(reader)).toEqual(each);
        expect(reader.nextBytes()).toBe(-1);
      }),
    );
  });

  it("tells the writer once that the reader waits", () => {
    const ring = new PipeRing(CAPACITY);
    expect(ring.takeReaderWaiting()).toBe(true);
    expect(ring.takeReaderWaiting()).toBe(false);
    ring.waitForWriter();
    expect(ring.takeReaderWaiting()).toBe(true);
  });

  it("goes on past 2^32 bytes", () => {
    const ring = new PipeRing(CAPACITY);
    const words = new Int32Array(ring.buffer);
    // Head and tail stand just before the wrap of their 32 bits.
    words[0] = -64;
    words[16] = -64;
    for (let i = 0; i < 20; i++) {
      expect(ring.push(i, Buffer.alloc(20, i), 0, 20)).toBe(true);
      expect(take(ring)).toEqual({ pipe: i, bytes: new Array(20).fill(i) });
    }
  });
});
