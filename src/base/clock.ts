import { performance } from "node:perf_hooks";

/** Where time comes from. Cores never read the system's clock themselves: a test or a simulation hands them its own. */
export interface Clock {
  /** Milliseconds on a clock that never steps; comparable between the threads of one process. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01 UTC; may step. */
  wallMs(): number;
}

// performance.now() starts at zero in every worker. hrtime is one clock for the process but allocates, so it is asked
// once and the difference kept.
const [seconds, nanoseconds] = process.hrtime();
const offsetMs = seconds * 1000 + nanoseconds / 1e6 - performance.now();

export const systemClock: Clock = {
  monotonicMs: () => performance.now() + offsetMs,
  wallMs: () => Date.now(),
};
