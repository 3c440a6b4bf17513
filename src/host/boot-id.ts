import { readFileSync } from "node:fs";

/** The kernel's name for this boot. */
export function currentBoot(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}
