import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { median, quantile } from "../../../bench/lib/statistics.mjs";

const numbers = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 50 });

describe("median", () => {
  it.each([
    { values: [], is: undefined },
    { values: [7], is: 7 },
    { values: [9, 1, 5], is: 5 },
    { values: [4, 1, 3, 2], is: 2.5 },
    // As numbers, not as texts.
    { values: [10, 9, 100], is: 10 },
  ])("of $values is $is", ({ values, is }) => {
    expect(median(values)).toBe(is);
  });

  it("has as many values below as above, and leaves the list as it was", () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const before = [...values];
        const middle = median(values)!;
        expect(values).toEqual(before);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });
});

describe("quantile", () => {
  it("goes from the least value to the largest, in between by interpolation", () => {
    const values = [30, 10, 20, 40, 50];
    expect([0, 0.25, 0.9, 1].map((fraction) => quantile(values, fraction))).toEqual([10, 20, 46, 50]);
  });
});
