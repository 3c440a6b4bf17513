import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

let known: Interfaces = {};

/**
 * This machine's interfaces with their addresses. What was so the last time where the system cannot tell (no file descriptor
 * is left to ask with): timers ask, and whatever they throw would end the process for everybody.
 */
export function ownInterfaces(): Interfaces {
  try {
    known = networkInterfaces();
  } catch {
    // Whoever asks does so again soon.
  }
  return known;
}
