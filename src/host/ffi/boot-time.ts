import { CLOCK_BOOTTIME } from "./constants.ts";
import { checked } from "./errno.ts";
import * as libc from "./libc.ts";
import { NativeMemory } from "./native-memory.ts";

const time = new NativeMemory(16);

/** Milliseconds since boot, those among them in which the machine slept: the clock of `Clock.monotonicMs` stops then. */
export function bootTimeMs(): number {
  checked("clock_gettime", libc.clockGettime(CLOCK_BOOTTIME, time.address));
  return Number(time.view.getBigInt64(0, true)) * 1000 + Number(time.view.getBigInt64(8, true)) / 1e6;
}
