import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { type DialAttempt, interleaveFamilies, raceEndpoints } from "../../../src/host/dial-race.ts";
import { eventually } from "../../support/lab/eventually.ts";

/** Runs a race; `behave` says what each endpoint does once it is tried. */
function race(
  behave: Readonly<Record<string, (signal: AbortSignal) => Promise<string>>>,
  { staggerMs = 10_000, signal = new AbortController().signal } = {},
) {
  const started: string[] = [];
  const discarded: string[] = [];
  const attempts: DialAttempt[] = [];
  const result = raceEndpoints<string>({
    endpoints: Object.keys(behave),
    attempt: (endpoint, lost) => {
      started.push(endpoint);
      return behave[endpoint]?.(lost) ?? Promise.reject(new Error("unknown"));
    },
    discard: (late) => discarded.push(late),
    staggerMs,
    clock: systemClock,
    signal,
    onAttempt: (attempt) => attempts.push(attempt),
  });
  return { result, started, discarded, attempts };
}

const fails = () => Promise.reject(new Error("refused"));
const hangs = (signal: AbortSignal) =>
  new Promise<string>((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
const answers = (value: string) => () => Promise.resolve(value);

describe("a race of endpoints (RFC 8305 §5)", () => {
  it("goes on at once when one fails, and starts none after the first that answers", async () => {
    const { result, started, attempts } = race({ a: fails, b: answers("B"), c: answers("C") });
    expect(await result).toEqual({ endpoint: "b", value: "B" });
    expect(started).toEqual(["a", "b"]);
    expect(attempts).toMatchObject([
      { endpoint: "a", outcome: "failed", reason: "refused" },
      { endpoint: "b", outcome: "won", reason: "" },
    ]);
  });

  it("starts the next after a while when one only hangs, and ends that one when another wins", async () => {
    const { result, started, attempts } = race({ a: hangs, b: hangs, c: answers("C") }, { staggerMs: 5 });
    expect(await result).toEqual({ endpoint: "c", value: "C" });
    expect(started).toEqual(["a", "b", "c"]);
    await eventually("all have ended", () => attempts.length === 3);
    expect(attempts.map(({ outcome }) => outcome).sort()).toEqual(["lost", "lost", "won"]);
  });

  it("takes an early one that is slow over a later one that is slower, and gives that up when it comes after all", async () => {
    const slow = (value: string, ms: number) => () => delay(ms, value);
    const { result, discarded } = race({ a: slow("A", 40), b: slow("B", 80) }, { staggerMs: 5 });
    expect(await result).toEqual({ endpoint: "a", value: "A" });
    await eventually("the late one is given up", () => discarded.length === 1);
    expect(discarded).toEqual(["B"]);
  });

  it("has no result when all fail, or there are none", async () => {
    expect(await race({ a: fails, b: fails }).result).toBeUndefined();
    expect(await race({}).result).toBeUndefined();
  });

  it("ends when it is aborted, before and during", async () => {
    const controller = new AbortController();
    const { result, attempts } = race({ a: hangs }, { signal: controller.signal });
    controller.abort();
    expect(await result).toBeUndefined();
    await eventually("the attempt has ended", () => attempts.length === 1);
    const late = race({ a: hangs }, { signal: controller.signal });
    expect(await late.result).toBeUndefined();
    expect(late.started).toEqual([]);
  });
});

describe("the order of endpoints (RFC 8305 §4)", () => {
  it("has the families in turn, the first one's first", () => {
    expect(interleaveFamilies(["1.1.1.1:1", "2.2.2.2:2", "[::1]:3", "[fe80::1%eth0]:4", "[::5]:5"])).toEqual([
      "1.1.1.1:1",
      "[::1]:3",
      "2.2.2.2:2",
      "[fe80::1%eth0]:4",
      "[::5]:5",
    ]);
    expect(interleaveFamilies(["[::1]:1", "1.1.1.1:2"])).toEqual(["[::1]:1", "1.1.1.1:2"]);
    expect(interleaveFamilies([])).toEqual([]);
  });
});
