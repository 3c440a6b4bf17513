// A process that does nothing but look how late its timers come: what the machine, and not a program, holds up.
// For each line of input it prints the mean since the line before, in milliseconds.
import { createInterface } from "node:readline";

const INTERVAL_MS = 250;
let due = performance.now() + INTERVAL_MS;
let sum = 0;
let count = 0;

setInterval(() => {
  const now = performance.now();
  sum += Math.max(0, now - due);
  count++;
  due = now + INTERVAL_MS;
}, INTERVAL_MS);

const lines = createInterface({ input: process.stdin });
lines.on("line", () => {
  process.stdout.write(`${(sum / count).toFixed(3)}\n`);
  sum = 0;
  count = 0;
});
lines.on("close", () => process.exit());
