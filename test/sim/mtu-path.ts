import { type MtuEvent, type MtuProbe, PathMtu } from "../../src/router/path-mtu/path-mtu.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface MtuPathOptions {
  readonly ceilingBytes?: number;
  readonly mtuBytes: number;
  readonly rttMs: number;
  /** Share of the probes and answers that are lost by chance. */
  readonly loss?: number;
  /** The underlay fragments what may be, and delivers the fragments. */
  readonly fragments?: boolean;
  /** Our own device refuses what is larger. */
  readonly deviceBytes?: number;
}

/** How often path selection proves a path in use. */
const ALIVE_MS = 50;

/** One end's path MTU discovery over a path that swallows what is too big, without a word. */
export class MtuPath {
  readonly search: PathMtu;
  mtuBytes: number;
  isDead = false;
  probes = 0;
  probeBytes = 0;
  /** Large messages that went by the path; as many as selection would count. */
  sent = 0;
  readonly #options: MtuPathOptions;
  readonly #time: VirtualTime;
  readonly #random: () => number;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(options: MtuPathOptions, time: VirtualTime, random: () => number) {
    this.#options = options;
    this.#time = time;
    this.#random = random;
    this.mtuBytes = options.mtuBytes;
    this.search = new PathMtu(options.ceilingBytes ?? 1420);
    this.#live();
  }

  tell(event: MtuEvent): void {
    for (const probe of this.search.handle(event, this.#time.nowMs)) this.#send(probe);
    this.#arm();
  }

  /** Runs until what the path carries is known; how long that took. */
  settle(withinMs: number): number {
    const startMs = this.#time.nowMs;
    while (!this.search.isSettled) {
      if (this.#time.nowMs - startMs > withinMs) throw new Error(`not settled after ${withinMs} ms`);
      this.#time.run(1);
    }
    return this.#time.nowMs - startMs;
  }

  #live(): void {
    const { rttMs } = this.#options;
    this.#time.after(Math.max(ALIVE_MS, rttMs), () => {
      if (!this.isDead && !this.#isLost() && !this.#isLost()) this.tell({ type: "alive", rttMs, sent: this.sent });
      this.#live();
    });
  }

  #send({ sequence, sizeBytes, isWhole }: MtuProbe): void {
    const { rttMs, fragments = true, deviceBytes = Number.POSITIVE_INFINITY } = this.#options;
    this.probes++;
    this.probeBytes += sizeBytes;
    if (isWhole && sizeBytes > deviceBytes) {
      this.#time.after(1, () => this.tell({ type: "refused", sequence }));
      return;
    }
    const passes = sizeBytes <= this.mtuBytes || (!isWhole && fragments);
    if (this.isDead || !passes || this.#isLost() || this.#isLost()) return;
    this.#time.after(rttMs, () => {
      if (!this.isDead) this.tell({ type: "answered", sequence });
    });
  }

  #isLost(): boolean {
    return this.#random() < (this.#options.loss ?? 0);
  }

  #arm(): void {
    const dueMs = this.search.nextDeadlineMs();
    if (dueMs === this.#timerMs || dueMs === Number.POSITIVE_INFINITY) return;
    this.#timerMs = dueMs;
    this.#time.at(dueMs, () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.tell({ type: "tick" });
    });
  }
}
