import { describe, expect, it } from "vitest";
import { LossWatch } from "../../../../src/router/paths/loss-watch.ts";
import { seededRandom } from "../../../sim/virtual-time.ts";

/** Messages, lost by chance, until `isDone`; at most a million. */
function messagesUntil(watch: LossWatch, lossShare: number, seed: number, isDone: () => boolean): number {
  const random = seededRandom(seed);
  let messages = 0;
  for (let lost = 0; messages < 1e6 && !isDone(); messages++) {
    if (random() < lossShare) {
      lost++;
      continue;
    }
    watch.probes(lost);
    lost = 0;
  }
  return messages;
}

const untilBad = (lossShare: number, seed: number) => {
  const watch = new LossWatch();
  return messagesUntil(watch, lossShare, seed, () => watch.isBad);
};

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

describe("the loss of a path", () => {
  it("of a tenth is borne for 100 000 messages, of less for a million", () => {
    expect(mean(SEEDS.slice(0, 10).map((seed) => untilBad(0.1, seed)))).toBeGreaterThan(1e5);
    expect(SEEDS.slice(0, 3).map((seed) => untilBad(0.07, seed))).toEqual([1e6, 1e6, 1e6]);
  });

  it.each([
    [0.2, 450],
    [0.3, 120],
    [0.5, 50],
  ])("of %f is found in %i messages, on average", (lossShare, messages) => {
    expect(mean(SEEDS.map((seed) => untilBad(lossShare, seed)))).toBeLessThan(messages);
  });

  it("is over after 66 messages that arrive", () => {
    const watch = new LossWatch();
    expect(messagesUntil(watch, 0, 0, () => watch.isGood)).toBe(66);
  });

  it("is reckoned from data as from probes, a burst for no more than a few messages", () => {
    const watch = new LossWatch();
    watch.data({ sent: 0, received: 0 });
    watch.data({ sent: 1000, received: 200 });
    expect(watch.isBad).toBe(false);
    for (let i = 2; i < 5; i++) watch.data({ sent: 1000 * i, received: 200 * i });
    expect(watch.isBad).toBe(true);
    expect(watch.share).toBeCloseTo(0.8);
  });

  it("is none when data and probes overtake one another", () => {
    const watch = new LossWatch();
    for (let i = 1; i < 1000; i++) watch.data({ sent: 10 * i, received: 10 * i - (i % 2) * 5 });
    expect(watch.isBad).toBe(false);
  });

  it("is none when a count begins anew, or is left out", () => {
    const watch = new LossWatch();
    for (let i = 0; i < 100; i++) {
      watch.data({ sent: 1000 * i, received: 1000 * i });
      watch.data({ sent: 1000 * i + 500, received: 0 });
      watch.data({ sent: 10, received: 10 });
      watch.skipData();
    }
    expect(watch.isBad).toBe(false);
  });
});
