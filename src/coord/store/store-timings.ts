import { Histogram } from "../../base/histogram.ts";

const BOUNDS_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** How long the database takes. */
export class StoreTimings {
  /** Of each statement. */
  readonly querySeconds = new Histogram(BOUNDS_SECONDS);
  /** Of each transaction that writes, from its turn until it is on the disk. */
  readonly writeSeconds = new Histogram(BOUNDS_SECONDS);
}
