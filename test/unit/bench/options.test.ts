import { describe, expect, it } from "vitest";
import { CPU_LIMIT_PERCENT, isWithinLimits, RSS_LIMIT_BYTES } from "../../../bench/lib/idle-limits.mjs";
import { parseOptions, USAGE, wholeNumber } from "../../../bench/lib/throughput-options.mjs";

describe("the options of the throughput benchmark", () => {
  it("without any: five runs of three seconds of everything", () => {
    const options = parseOptions([]);
    expect(options).toMatchObject({ runs: 5, seconds: 3, patienceSeconds: 0, gate: false, daemons: false, aead: [] });
    expect(options.only).toBeUndefined();
    for (const measure of options.measures) expect(USAGE).toContain(measure);
  });

  it("as given", () => {
    const args = ["--runs", "2", "--only", "a,b", "--measures", "rtt,tcp1", "--aead", "noble", "--gate"];
    expect(parseOptions([...args, "--aead", "sodium", "--json", "x.json"])).toMatchObject({
      runs: 2,
      only: ["a", "b"],
      measures: ["rtt", "tcp1"],
      aead: ["noble", "sodium"],
      gate: true,
      json: "x.json",
    });
  });

  it.each([
    { args: ["--runs", "0"], says: "--runs takes a whole number from 1 on, not 0" },
    { args: ["--seconds", "1.5"], says: "--seconds takes a whole number" },
    { args: ["--patience=-1"], says: "--patience takes a whole number from 0 on" },
    { args: ["--measures", "tcp1,speed"], says: "no measure speed; there are tcp1" },
    { args: ["--aead", "rot13"], says: "no provider rot13" },
    { args: ["--fast"], says: "--fast" },
  ])("refused: $args", ({ args, says }) => {
    expect(() => parseOptions(args)).toThrow(says);
  });

  it("a number is a whole one", () => {
    expect(wholeNumber("--n", "0", 0)).toBe(0);
    for (const text of ["", " ", "x", "1e400", "NaN"]) expect(() => wholeNumber("--n", text, 1)).toThrow("--n");
  });
});

describe("the limits at rest", () => {
  const peer = { isPeer: true, cpuPercent: CPU_LIMIT_PERCENT * 0.99, rssBytes: RSS_LIMIT_BYTES * 0.99 };

  it("are below 1 % of a core and 120 MB", () => {
    expect([CPU_LIMIT_PERCENT, RSS_LIMIT_BYTES]).toEqual([1, 120e6]);
    expect(isWithinLimits(peer)).toBe(true);
    expect(isWithinLimits({ ...peer, cpuPercent: CPU_LIMIT_PERCENT })).toBe(false);
    expect(isWithinLimits({ ...peer, rssBytes: RSS_LIMIT_BYTES })).toBe(false);
  });

  it("hold for peers, not for the coordinator", () => {
    expect(isWithinLimits({ ...peer, isPeer: false, rssBytes: 2 * RSS_LIMIT_BYTES })).toBe(true);
  });
});
