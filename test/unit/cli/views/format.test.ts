import { describe, expect, it } from "vitest";
import { formatAgo, formatBytes, formatRtt } from "../../../../src/cli/views/format.ts";

describe("figures for people", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.00 KiB"],
    [10 * 1024, "10.0 KiB"],
    [5 * 2 ** 40, "5.00 TiB"],
    [2 ** 62, "4096.0 PiB"],
  ])("%d bytes are %s", (bytes, expected) => {
    expect(formatBytes(bytes)).toBe(expected);
  });

  it.each([
    [0.412, "0.41 ms"],
    [12.34, "12.3 ms"],
  ])("%d ms are %s", (rttMs, expected) => {
    expect(formatRtt(rttMs)).toBe(expected);
  });

  it.each([
    [null, "never"],
    ["2026-01-01T00:00:00.000Z", "0 s ago"],
    ["2025-12-31T23:59:01.000Z", "59 s ago"],
    ["2025-12-31T23:00:01.000Z", "59 min ago"],
    ["2025-12-31T00:00:01.000Z", "23 h ago"],
    ["2025-12-01T00:00:00.000Z", "31 d ago"],
    ["2026-01-01T00:01:00.000Z", "0 s ago"],
  ])("%s is %s", (instant, expected) => {
    expect(formatAgo(instant, Date.parse("2026-01-01T00:00:00.000Z"))).toBe(expected);
  });
});
