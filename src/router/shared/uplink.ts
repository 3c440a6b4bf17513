import { type DataEvent, UPLINK_CLASSES, type UplinkClass } from "./commands.ts";

/** Messages of a class that may be on their way to the control thread. */
const BOUNDS: Readonly<Record<UplinkClass, number>> = {
  initiation: 256,
  response: 256,
  cookie: 64,
  stun: 64,
  probe: 256,
  call: 32,
  inquiry: 32,
};

/**
 * How many messages of each class are on their way up, in memory that both threads see: a message port has no bound of
 * its own. The data thread takes a place, the control thread gives it back.
 */
export class UplinkGauge {
  readonly buffer: SharedArrayBuffer;
  readonly #inFlight: Int32Array;

  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(4 * UPLINK_CLASSES.length);
    this.#inFlight = new Int32Array(this.buffer);
  }

  hasRoom(uplinkClass: UplinkClass): boolean {
    return Atomics.load(this.#inFlight, UPLINK_CLASSES.indexOf(uplinkClass)) < BOUNDS[uplinkClass];
  }

  enter(uplinkClass: UplinkClass): void {
    Atomics.add(this.#inFlight, UPLINK_CLASSES.indexOf(uplinkClass), 1);
  }

  leave(uplinkClass: UplinkClass): void {
    Atomics.sub(this.#inFlight, UPLINK_CLASSES.indexOf(uplinkClass), 1);
  }
}

/** The data plane's way up to the control thread. */
export class Uplink {
  readonly #gauge: UplinkGauge;
  readonly #post: (message: UplinkMessage) => void;

  constructor(gauge: UplinkGauge, post: (message: UplinkMessage) => void) {
    this.#gauge = gauge;
    this.#post = post;
  }

  hasRoom(uplinkClass: UplinkClass): boolean {
    return this.#gauge.hasRoom(uplinkClass);
  }

  /** For what the network can cause as often as it likes; ask `hasRoom` first. */
  postBounded(event: DataEvent, uplinkClass: UplinkClass): void {
    this.#gauge.enter(uplinkClass);
    this.#post({ event, uplinkClass });
  }

  /** For what is bounded by its nature: by sessions, slots, or an interval. */
  post(event: DataEvent): void {
    this.#post({ event });
  }
}

/** A message as it crosses: with its class, where it takes a place in the gauge. */
export interface UplinkMessage {
  readonly event: DataEvent;
  readonly uplinkClass?: UplinkClass;
}
