import { describe, expect, it } from "vitest";
import { editDistance, nearestWord } from "../../../src/base/nearest-word.ts";

describe("the word that was meant", () => {
  it.each([
    ["kitten", "sitting", 3],
    ["ab", "ba", 1],
    ["", "abc", 3],
    ["work", "work", 0],
    ["flaw", "lawn", 2],
  ])("from %s to %s it takes %d slips", (a, b, slips) => {
    expect(editDistance(a, b)).toBe(slips);
    expect(editDistance(b, a)).toBe(slips);
  });

  it("is the nearest, if any is near", () => {
    expect(nearestWord("hmoe", ["work", "home", "hole"])).toBe("home");
    expect(nearestWord("garden", ["work", "home"])).toBeUndefined();
    expect(nearestWord("x", ["y"])).toBeUndefined();
  });
});
