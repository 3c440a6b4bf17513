import type { Clock } from "../../base/clock.ts";
import { PollSet } from "../../host/ffi/poll-set.ts";
import type { Counters, DataStage } from "../shared/counters.ts";
import type { WakeFlag } from "../shared/wake-flag.ts";
import type { DataPlane } from "./data-plane.ts";

/** Positions in the poll set; the transport's descriptors follow. */
const WAKE = 0;
const TUN = 1;
const TRANSPORT = 2;

/** One turn in so many is timed, and stands for the others: a look at the clock may cost as much as a short packet's way. */
const TIMED_TURN = 16;

export interface DataLoopDeps {
  readonly plane: DataPlane;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly wake: WakeFlag;
  readonly tunFd: number;
  readonly transportFds: readonly number[];
  /** Fetches what the control thread has posted; called after each wake. */
  readonly onWake: () => void;
}

/** Drives a data plane from poll(2). */
export class DataLoop {
  readonly #plane: DataPlane;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #wake: WakeFlag;
  readonly #onWake: () => void;
  readonly #polled: PollSet;
  #turns = 0;
  #isTimed = false;
  /** When the stage at hand began, in a turn that is timed. */
  #sinceMs = 0;
  #tunMayHaveMore = false;
  #transportMayHaveMore = false;

  constructor(deps: DataLoopDeps) {
    this.#plane = deps.plane;
    this.#counters = deps.counters;
    this.#clock = deps.clock;
    this.#wake = deps.wake;
    this.#onWake = deps.onWake;
    this.#polled = new PollSet([deps.wake.fd, deps.tunFd, ...deps.transportFds]);
  }

  /** Sleeps until there is something to do, at most `maxSleepMs`, and does a bounded part of it in each direction. */
  turn(maxSleepMs: number): void {
    const polled = this.#polled;
    polled.wait(this.#tunMayHaveMore || this.#transportMayHaveMore ? 0 : maxSleepMs);
    this.#isTimed = ++this.#turns % TIMED_TURN === 0;
    if (this.#isTimed) this.#sinceMs = this.#clock.monotonicMs();
    if (polled.isReady(WAKE)) {
      this.#wake.clear();
      this.#onWake();
      // Perhaps it was for what came by a pipe.
      this.#transportMayHaveMore = true;
      this.#spent("commands");
    }
    // In turns: neither a flood from the network nor one from the host may starve the other.
    if (this.#tunMayHaveMore || polled.isReady(TUN)) {
      this.#tunMayHaveMore = this.#plane.drainTun();
      this.#spent("outbound");
    }
    if (this.#transportMayHaveMore || polled.isAnyReadyFrom(TRANSPORT)) {
      this.#transportMayHaveMore = this.#plane.drainTransport();
      this.#spent("inbound");
    }
    this.#plane.publishCounters();
  }

  #spent(stage: DataStage): void {
    if (!this.#isTimed) return;
    const nowMs = this.#clock.monotonicMs();
    this.#counters.spend(stage, (nowMs - this.#sinceMs) * TIMED_TURN);
    this.#sinceMs = nowMs;
  }
}
