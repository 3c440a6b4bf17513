import { describe, expect, it } from "vitest";
import { deriveState, type StateFacts } from "../../../src/daemon/state.ts";

const MATRIX: readonly (readonly [StateFacts["membership"], StateFacts["intent"], StateFacts["engine"], string])[] = [
  ["none", "down", "off", "no-state"],
  ["none", "down", "starting", "no-state"],
  ["none", "down", "up", "no-state"],
  ["none", "up", "off", "no-state"],
  ["none", "up", "starting", "no-state"],
  ["none", "up", "up", "no-state"],
  ["keys", "down", "off", "needs-join"],
  ["keys", "down", "starting", "needs-join"],
  ["keys", "down", "up", "needs-join"],
  ["keys", "up", "off", "needs-join"],
  ["keys", "up", "starting", "needs-join"],
  ["keys", "up", "up", "needs-join"],
  ["enrolled", "down", "off", "stopped"],
  ["enrolled", "down", "starting", "stopped"],
  ["enrolled", "down", "up", "stopped"],
  ["enrolled", "up", "off", "stopped"],
  ["enrolled", "up", "starting", "starting"],
  ["enrolled", "up", "up", "running"],
];

describe("the daemon's state", () => {
  it.each(MATRIX)("membership %s, intent %s, engine %s: %s", (membership, intent, engine, expected) => {
    expect(deriveState({ membership, intent, engine })).toBe(expected);
  });

  it("covers every combination once", () => {
    expect(new Set(MATRIX.map(([m, i, e]) => `${m} ${i} ${e}`)).size).toBe(3 * 2 * 3);
  });
});
