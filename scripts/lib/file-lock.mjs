import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { detail } from "./console.mjs";
import { findCommand } from "./process.mjs";

/**
 * Runs `work` while holding an exclusive lock on the file `path`, waiting for whoever holds it.
 *
 * The holder is flock(1) with its standard input tied to this process: however this process ends, the kernel closes
 * the pipe, the holder ends and the lock is free. Where there is no flock(1), `work` runs unguarded.
 */
export async function withFileLock(path, work) {
  const flock = findCommand("flock");
  if (flock === undefined) return work();
  mkdirSync(dirname(path), { recursive: true });
  const holder = spawn(flock, ["-x", path, "sh", "-c", "echo held; cat"], {
    stdio: ["pipe", "pipe", "ignore"],
    // Out of the terminal's process group: Ctrl-C must not free the lock before our own clean-up is through.
    detached: true,
  });
  const ended = new Promise((resolve) => holder.once("close", resolve));
  const patience = setTimeout(() => detail(`waiting for another run that holds ${path}`), 500);
  try {
    await new Promise((resolve, reject) => {
      holder.once("error", reject);
      holder.once("close", () => reject(new Error(`the lock ${path} could not be taken`)));
      holder.stdout.once("data", resolve);
    });
  } finally {
    clearTimeout(patience);
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
