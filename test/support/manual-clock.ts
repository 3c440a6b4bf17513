import type { Clock } from "../../src/base/clock.ts";

/** Stands until it is moved; its two times can part, as they do when somebody sets the host's clock. */
export class ManualClock implements Clock {
  #monotonic = 5_000;
  #wall = Date.now();
  monotonicMs = () => this.#monotonic;
  wallMs = () => this.#wall;

  advance(byMs: number): void {
    this.#monotonic += byMs;
    this.#wall += byMs;
  }

  setWall(byMs: number): void {
    this.#wall += byMs;
  }
}
