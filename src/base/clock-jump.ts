/** The three clocks of a machine at one moment, milliseconds each. */
export interface ClockReading {
  /** Stands still while the machine sleeps. */
  readonly monotonicMs: number;
  /** Since boot, sleep included. */
  readonly bootMs: number;
  readonly wallMs: number;
}

export interface ClockJump {
  /**
   * `slept`: the machine did. `stopped`: only we did not run (SIGSTOP, a frozen container, a debugger). `set`: the wall
   * clock went ahead of all others, as after a pause that a virtual machine is not told of.
   */
  readonly kind: "slept" | "stopped" | "set";
  /** How long the machine slept, how long we did not run, or by how much the clock was set. */
  readonly ms: number;
}

/** A machine that sleeps for less loses nothing by it. */
const SLEPT_MS = 1000;
/** NATs forget a silent mapping after 30 s and more, and a peer takes a path for dead much sooner. */
const STOPPED_MS = 10_000;
/** Corrections of time servers are smaller mostly; and a needless look at the network does no harm. */
const SET_MS = 5000;

/**
 * Finds out that time went by without us: everything that was known of the network may be over then. Sans-IO: told of the
 * clocks at a steady pace, a second or so.
 */
export class ClockJumps {
  #last: ClockReading;

  constructor(first: ClockReading) {
    this.#last = first;
  }

  observe(now: ClockReading): ClockJump | undefined {
    const before = this.#last;
    this.#last = now;
    const ranMs = now.monotonicMs - before.monotonicMs;
    const bootMs = now.bootMs - before.bootMs;
    const sleptMs = bootMs - ranMs;
    if (sleptMs >= SLEPT_MS) return { kind: "slept", ms: sleptMs };
    if (ranMs >= STOPPED_MS) return { kind: "stopped", ms: ranMs };
    const setMs = now.wallMs - before.wallMs - bootMs;
    return setMs >= SET_MS ? { kind: "set", ms: setMs } : undefined;
  }
}
