import { setTimeout as sleep } from "node:timers/promises";
import { machineTicks } from "./cpu-time.mjs";

const SAMPLE_MS = 300;
/** The share of the machine that other work may have while we measure. */
const QUIET_SHARE = 0.1;

/** The busy share of all cores over a moment, 0 to 1. */
async function busyShare() {
  const before = machineTicks();
  await sleep(SAMPLE_MS);
  const after = machineTicks();
  return (after.busy - before.busy) / Math.max(1, after.total - before.total);
}

/**
 * Measures between two moments in which nothing else works the machine: waits for the first, and measures again when
 * there is none after it. Out of patience, it takes what there is. Our own contenders are to be idle meanwhile.
 * @param {number} patienceSeconds for all of it
 * @param {() => Promise<object>} measure
 * @returns {Promise<object>} the record, with `otherWorkShare`: the busy share, 0 to 1, before or after, the larger one
 */
export async function measureQuietly(patienceSeconds, measure) {
  const deadline = Date.now() + patienceSeconds * 1000;
  for (;;) {
    let before = await busyShare();
    while (before > QUIET_SHARE && Date.now() < deadline) before = await busyShare();
    const record = await measure();
    const otherWorkShare = Math.max(before, await busyShare());
    if (otherWorkShare <= QUIET_SHARE || Date.now() >= deadline) return { ...record, otherWorkShare };
  }
}
