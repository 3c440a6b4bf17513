import fc from "fast-check";
import { expect, it } from "vitest";
import { Stage } from "../../../../src/router/data/staging.ts";

it("holds the latest frames that make up no more than 128 packets, in order", () => {
  const frames = fc.array(
    fc.record({ size: fc.integer({ min: 1, max: 50 }), packets: fc.integer({ min: 1, max: 64 }) }),
  );
  fc.assert(
    fc.property(frames, (pushed) => {
      const stage = new Stage();
      let evicted = 0;
      for (const [i, { size, packets }] of pushed.entries())
        evicted += stage.push(new Uint8Array(size + 5).fill(i), 5, size, packets);
      const total = pushed.reduce((sum, { packets }) => sum + packets, 0);
      expect(stage.packets + evicted).toBe(total);
      expect(stage.packets).toBeLessThanOrEqual(128);
      const kept = pushed.slice(pushed.length - stage.frames);
      for (const [i, { size }] of kept.entries()) {
        const target = new Uint8Array(64);
        expect(stage.shift(target, 3)).toBe(size);
        expect(target.subarray(3, 3 + size)).toEqual(new Uint8Array(size).fill(pushed.length - kept.length + i));
      }
      expect([stage.packets, stage.shift(new Uint8Array(64), 0)]).toEqual([0, 0]);
    }),
  );
});

it("copies: the caller's buffer is its own again", () => {
  const stage = new Stage();
  const frame = Uint8Array.of(1, 2, 3);
  stage.push(frame, 0, 3, 1);
  frame.fill(0);
  const target = new Uint8Array(3);
  stage.shift(target, 0);
  expect(target).toEqual(Uint8Array.of(1, 2, 3));
  stage.push(frame, 0, 3, 7);
  expect(stage.clear()).toBe(7);
  expect(stage.packets).toBe(0);
});
