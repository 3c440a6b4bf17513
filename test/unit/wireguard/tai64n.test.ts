import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IndexTable } from "../../../src/wireguard/index-table.ts";
import { compareTai64n, encodeTai64n, TimestampMemory, TimestampSource } from "../../../src/wireguard/tai64n.ts";

const wallMs = fc.double({ min: 0, max: 2 ** 42, noNaN: true });

describe("TAI64N", () => {
  it("is 2^62 + 10 and the Unix time, big-endian (https://cr.yp.to/libtai/tai64.html)", () => {
    expect(Buffer.from(encodeTai64n(0)).toString("hex")).toBe("400000000000000a00000000");
    expect(Buffer.from(encodeTai64n(1_700_000_000_500)).toString("hex")).toBe("400000006553f10a1d000000");
  });

  it("orders as time does, as far as it is rounded", () => {
    fc.assert(
      fc.property(wallMs, fc.double({ min: 17, max: 1e9, noNaN: true }), (ms, later) => {
        expect(compareTai64n(encodeTai64n(ms), encodeTai64n(ms + later))).toBeLessThan(0);
      }),
    );
  });

  it("a source only goes forward, whatever the clock does", () => {
    fc.assert(
      fc.property(fc.array(wallMs, { minLength: 2 }), (clock) => {
        const source = new TimestampSource();
        const labels = clock.map((ms) => source.next(ms));
        for (let i = 1; i < labels.length; i++) {
          expect(compareTai64n(labels[i - 1] as Uint8Array, labels[i] as Uint8Array)).toBeLessThan(0);
        }
      }),
    );
  });
});

describe("the memory of timestamps", () => {
  const key = (byte: number) => new Uint8Array(32).fill(byte);

  it("takes only what is later, for each key by itself", () => {
    const memory = new TimestampMemory(10);
    memory.note(key(1), encodeTai64n(5000));
    expect(memory.isLater(key(1), encodeTai64n(5000))).toBe(false);
    expect(memory.isLater(key(1), encodeTai64n(4000))).toBe(false);
    expect(memory.isLater(key(1), encodeTai64n(5100))).toBe(true);
    expect(memory.isLater(key(2), encodeTai64n(4000))).toBe(true);
  });

  it("is bounded and forgets the key that was silent longest", () => {
    const memory = new TimestampMemory(2);
    memory.note(key(1), encodeTai64n(5000));
    memory.note(key(2), encodeTai64n(5000));
    memory.note(key(1), encodeTai64n(6000));
    memory.note(key(3), encodeTai64n(5000));
    expect(memory.isLater(key(1), encodeTai64n(6000))).toBe(false);
    expect(memory.isLater(key(2), encodeTai64n(5000))).toBe(true);
  });
});

describe("the index table", () => {
  it("draws again when an index is taken", () => {
    const draws = [1, 1, 2];
    const table = new IndexTable<string>((bytes) => bytes.set([0, 0, 0, draws.shift() ?? 9]));
    expect([table.allocate("a"), table.allocate("b")]).toEqual([1, 2]);
    expect([table.get(1), table.get(2), table.get(3)]).toEqual(["a", "b", undefined]);
    table.free(1);
    expect([table.get(1), table.size]).toEqual([undefined, 1]);
  });
});
