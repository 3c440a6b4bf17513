import { ScriptError } from "../../scripts/lib/console.mjs";
import { runInside } from "./inside.mjs";
import { median, quantile } from "./statistics.mjs";

const INTERVAL_SECONDS = 0.01;
const MICROSECONDS_PER_MILLISECOND = 1000;

/** Pings from the left end to the right one until an answer comes. @throws ScriptError when none does in 20 s */
export async function waitForAnswer({ left, address }, name) {
  const args = ["-q", "-c", "1", "-w", "20", "-i", "0.2", address];
  const { status, stdout } = await runInside(left, "ping", args);
  if (status !== 0) throw new ScriptError(`${name}: no ping gets through\n${stdout.trim()}`);
}

/**
 * Round-trip times of one ping every 10 ms: between two of them the processors fall asleep.
 * @returns {Promise<{medianUs: number, meanUs: number, p95Us: number, lostShare: number}>} microseconds
 */
export function ping(contender, count) {
  return roundTrips(contender, count, ["-i", String(INTERVAL_SECONDS)]);
}

/** As `ping`, each ping sent when the one before it is answered: processors and caches stay awake. */
export function pingInARow(contender, count) {
  return roundTrips(contender, count, ["-A"]);
}

async function roundTrips({ left, address }, count, pace) {
  const { stdout } = await runInside(left, "ping", ["-n", ...pace, "-c", String(count), "-W", "1", address]);
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(
    ([, milliseconds]) => Number(milliseconds) * MICROSECONDS_PER_MILLISECOND,
  );
  if (times.length === 0) throw new ScriptError(`no ping came back from ${address}`);
  return {
    medianUs: median(times),
    meanUs: times.reduce((sum, time) => sum + time, 0) / times.length,
    p95Us: quantile(times, 0.95),
    lostShare: 1 - times.length / count,
  };
}

/** How many pings fill `seconds`. */
export const pingsIn = (seconds) => Math.max(1, Math.round(seconds / INTERVAL_SECONDS));
