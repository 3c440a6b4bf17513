import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDurationSeconds } from "../../../src/base/duration.ts";
import { MeshError } from "../../../src/base/errors.ts";

describe("durations", () => {
  it.each([
    ["90s", 90],
    ["15m", 900],
    ["12h", 43_200],
    ["14d", 1_209_600],
    ["2w", 1_209_600],
  ])("%s is %d seconds", (text, seconds) => {
    expect(parseDurationSeconds(text)).toBe(seconds);
  });

  it("are nothing else", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseDurationSeconds(text)).toBeGreaterThan(0);
          expect(text.trim()).toMatch(/^[1-9]\d*[smhdw]$/);
        } catch (failure) {
          expect(failure).toBeInstanceOf(MeshError);
        }
      }),
    );
  });
});
