import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue } from "../../../src/transports/relay/fair-queue.ts";

const OVERHEAD_BYTES = 256;

/** A frame that says which flow it is of and its number there. */
function frame(flow: string, number: number, sizeBytes = 8): Buffer {
  const bytes = Buffer.alloc(Math.max(8, sizeBytes));
  bytes.write(flow, 0, 1, "latin1");
  bytes.writeUInt32BE(number, 4);
  return bytes;
}

function drain(queue: FairQueue, count = Number.POSITIVE_INFINITY): { flow: string; number: number; bytes: number }[] {
  const frames = [];
  for (let i = 0; i < count; i++) {
    const next = queue.shift();
    if (next === undefined) break;
    frames.push({ flow: next.toString("latin1", 0, 1), number: next.readUInt32BE(4), bytes: next.length });
  }
  return frames;
}

describe("a fair queue", () => {
  it("keeps the order of each flow, loses nothing while there is room, and counts its memory", () => {
    const pushes = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 8, max: 9000 })));
    fc.assert(
      fc.property(pushes, (flows) => {
        const queue = new FairQueue(Number.POSITIVE_INFINITY);
        const expected = new Map<string, number[]>();
        flows.forEach(([flow, sizeBytes], number) => {
          expect(queue.push(flow, frame(flow, number, sizeBytes))).toBe(0);
          expected.set(flow, [...(expected.get(flow) ?? []), number]);
        });
        const cost = flows.reduce((sum, [, sizeBytes]) => sum + sizeBytes + OVERHEAD_BYTES, 0);
        expect(queue.costBytes).toBe(cost);
        const out = new Map<string, number[]>();
        for (const { flow, number } of drain(queue)) out.set(flow, [...(out.get(flow) ?? []), number]);
        expect(out).toEqual(expected);
        expect(queue.costBytes).toBe(0);
        expect(queue.isEmpty).toBe(true);
      }),
    );
  });

  it("never holds more than its capacity and one frame, whatever comes, and accounts for every frame", () => {
    const steps = fc.array(
      fc.oneof(
        fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 8, max: 3000 })),
        fc.constant("shift" as const),
        fc.constantFrom("a", "b", "c").map((flow) => ({ remove: flow })),
      ),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, (actions) => {
        const queue = new FairQueue(10_000);
        const counts = { in: 0, out: 0, dropped: 0 };
        for (const action of actions) {
          if (action === "shift") counts.out += queue.shift() === undefined ? 0 : 1;
          else if ("remove" in action) counts.dropped += queue.remove(action.remove);
          else {
            counts.in++;
            counts.dropped += queue.push(action[0], frame(action[0], counts.in, action[1]));
          }
          expect(queue.costBytes).toBeLessThanOrEqual(10_000 + 3000 + OVERHEAD_BYTES);
        }
        counts.dropped += queue.clear();
        expect(counts.in).toBe(counts.out + counts.dropped);
        expect(queue.costBytes).toBe(0);
      }),
    );
  });

  it("gives each flow the same share of the bytes, small frames or large", () => {
    const queue = new FairQueue(Number.POSITIVE_INFINITY);
    for (let number = 0; number < 10_000; number++) queue.push("s", frame("s", number, 100));
    for (let number = 0; number < 200; number++) queue.push("l", frame("l", number, 9000));
    const bytes = { s: 0, l: 0 } as Record<string, number>;
    for (const { flow, bytes: sizeBytes } of drain(queue, 5000)) bytes[flow] = (bytes[flow] as number) + sizeBytes;
    expect(Math.abs((bytes.s as number) - (bytes.l as number))).toBeLessThan(9000 + 2 * 2048);
  });

  it("lets a single frame pass a flood that waits", () => {
    const queue = new FairQueue(1_000_000);
    for (let number = 0; number < 5000; number++) queue.push("f", frame("f", number, 1400));
    queue.push("x", frame("x", 0));
    expect(drain(queue, 5).map(({ flow }) => flow)).toContain("x");
  });

  it("drops the oldest frames of the flood, and none of a flow within its share", () => {
    const queue = new FairQueue(100_000);
    for (let number = 0; number < 10; number++) queue.push("x", frame("x", number, 1000));
    let dropped = 0;
    for (let number = 0; number < 1000; number++) dropped += queue.push("f", frame("f", number, 1000));
    // And when the modest one speaks again, the flood makes room for it.
    expect(queue.push("x", frame("x", 10, 1000))).toBe(1);
    const left = drain(queue);
    expect(left.filter(({ flow }) => flow === "x").map(({ number }) => number)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    const flood = left.filter(({ flow }) => flow === "f").map(({ number }) => number);
    expect(flood).toHaveLength(1000 - dropped - 1);
    expect(flood[0]).toBe(dropped + 1);
    expect(flood.at(-1)).toBe(999);
  });
});
