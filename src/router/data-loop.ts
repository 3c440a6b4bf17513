import { PollSet } from "../host/ffi/poll-set.ts";
import type { DataPlane } from "./data-plane.ts";
import type { WakeFlag } from "./wake-flag.ts";

/** Positions in the poll set; the transport's descriptors follow. */
const WAKE = 0;
const TUN = 1;
const TRANSPORT = 2;

export interface DataLoopDeps {
  readonly plane: DataPlane;
  readonly wake: WakeFlag;
  readonly tunFd: number;
  readonly transportFds: readonly number[];
  /** Fetches what the control thread has posted; called after each wake. */
  readonly onWake: () => void;
}

/** Drives a data plane from poll(2). */
export class DataLoop {
  readonly #plane: DataPlane;
  readonly #wake: WakeFlag;
  readonly #onWake: () => void;
  readonly #polled: PollSet;
  #tunMayHaveMore = false;
  #transportMayHaveMore = false;

  constructor(deps: DataLoopDeps) {
    this.#plane = deps.plane;
    this.#wake = deps.wake;
    this.#onWake = deps.onWake;
    this.#polled = new PollSet([deps.wake.fd, deps.tunFd, ...deps.transportFds]);
  }

  /** Sleeps until there is something to do, at most `maxSleepMs`, and does a bounded part of it in each direction. */
  turn(maxSleepMs: number): void {
    const polled = this.#polled;
    polled.wait(this.#tunMayHaveMore || this.#transportMayHaveMore ? 0 : maxSleepMs);
    if (polled.isReady(WAKE)) {
      this.#wake.clear();
      this.#onWake();
      // Perhaps it was for what came by a pipe.
      this.#transportMayHaveMore = true;
    }
    // In turns: neither a flood from the network nor one from the host may starve the other.
    if (this.#tunMayHaveMore || polled.isReady(TUN)) this.#tunMayHaveMore = this.#plane.drainTun();
    if (this.#transportMayHaveMore || polled.isAnyReadyFrom(TRANSPORT))
      this.#transportMayHaveMore = this.#plane.drainTransport();
    this.#plane.publishCounters();
  }
}
