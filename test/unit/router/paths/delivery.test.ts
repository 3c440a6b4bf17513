import { describe, expect, it } from "vitest";
import { DeliveryWatch } from "../../../../src/router/paths/delivery.ts";

/** Observes [sent, received] every 50 ms; the indices at which data was found lost. */
function lostAt(observations: readonly (readonly [number, number])[], needed = 3): number[] {
  const watch = new DeliveryWatch();
  return observations.flatMap(([sent, received], i) =>
    watch.observe(sent, received, i * 50, needed, false) ? [i] : [],
  );
}

describe("data that does not arrive", () => {
  it("is found after three messages and 150 ms, while more is sent", () => {
    expect(
      lostAt([
        [0, 0],
        [5, 0],
        [10, 0],
        [15, 0],
        [20, 0],
      ]),
    ).toEqual([4]);
  });

  it("is not made of fewer messages than needed", () => {
    expect(
      lostAt([
        [0, 0],
        [2, 0],
        [2, 0],
        [2, 0],
        [2, 0],
        [2, 0],
      ]),
    ).toEqual([]);
    expect(
      lostAt(
        [
          [0, 0],
          [5, 0],
          [6, 0],
          [7, 0],
          [8, 0],
          [9, 0],
        ],
        10,
      ),
    ).toEqual([]);
  });

  it("is not the end of a burst that a queue swallowed, with nothing after it", () => {
    expect(
      lostAt([
        [0, 0],
        [500, 300],
        [600, 300],
        [600, 300],
        [600, 300],
        [600, 300],
        [600, 300],
      ]),
    ).toEqual([]);
  });

  it("is forgotten as soon as anything arrives", () => {
    expect(
      lostAt([
        [0, 0],
        [5, 0],
        [10, 0],
        [15, 1],
        [20, 1],
        [25, 1],
        [30, 2],
        [35, 2],
      ]),
    ).toEqual([]);
  });

  it("is not what fell into a gap of probes, too", () => {
    const watch = new DeliveryWatch();
    watch.observe(0, 0, 0, 3, false);
    expect(watch.observe(50, 0, 500, 3, true)).toBe(false);
    expect(watch.observe(50, 0, 1000, 3, false)).toBe(false);
    expect(watch.observe(51, 0, 1500, 3, false)).toBe(false);
  });

  it("is counted anew when one of the ends has begun anew", () => {
    expect(
      lostAt([
        [100, 90],
        [110, 5],
        [115, 8],
        [120, 10],
      ]),
    ).toEqual([]);
    expect(
      lostAt([
        [100, 90],
        [3, 90],
        [6, 93],
        [9, 96],
      ]),
    ).toEqual([]);
  });
});

it("progress is counted", () => {
  const watch = new DeliveryWatch();
  for (const [i, received] of [0, 0, 3, 3, 4].entries()) watch.observe(10, received, i, 3, false);
  expect(watch.progress).toBe(2);
  watch.reset();
  watch.observe(10, 9, 9, 3, false);
  expect(watch.progress).toBe(2);
});
