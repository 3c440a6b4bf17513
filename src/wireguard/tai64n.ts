import { TIMESTAMP_BYTES } from "./constants.ts";

/**
 * TAI64N labels (https://cr.yp.to/libtai/tai64.html), big-endian: a comparison of the bytes is one of the times.
 *
 *     | seconds: 2^62 + 10 + Unix time, u64 | nanoseconds u32 |
 */
const SECONDS_BASE = 2n ** 62n + 10n;
/** Fractions are rounded down to this, so that a timestamp tells little of our clock's fine steps. */
const RESOLUTION_NS = 2 ** 24;
const NS_PER_SECOND = 1_000_000_000;

export function encodeTai64n(wallMs: number): Uint8Array {
  const label = new Uint8Array(TIMESTAMP_BYTES);
  const view = new DataView(label.buffer);
  const seconds = Math.floor(wallMs / 1000);
  const nanoseconds = Math.floor((wallMs - seconds * 1000) * 1e6);
  view.setBigUint64(0, SECONDS_BASE + BigInt(seconds));
  view.setUint32(8, nanoseconds - (nanoseconds % RESOLUTION_NS));
  return label;
}

/** Below zero when `a` is earlier than `b`, 0 when equal. */
export function compareTai64n(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Hands out strictly increasing labels, also when the wall clock stands still or steps back. */
export class TimestampSource {
  #last: Uint8Array = new Uint8Array(TIMESTAMP_BYTES);

  next(wallMs: number): Uint8Array {
    const label = encodeTai64n(wallMs);
    this.#last = compareTai64n(label, this.#last) > 0 ? label : successor(this.#last);
    return new Uint8Array(this.#last);
  }
}

function successor(label: Uint8Array): Uint8Array {
  const next = new Uint8Array(label);
  const view = new DataView(next.buffer, next.byteOffset);
  const nanoseconds = view.getUint32(8) + 1;
  const carries = nanoseconds >= NS_PER_SECOND;
  view.setUint32(8, carries ? 0 : nanoseconds);
  if (carries) view.setBigUint64(0, view.getBigUint64(0) + 1n);
  return next;
}

/**
 * The greatest timestamp that each static key has shown. It outlives peers that are removed and added again, or an old
 * initiation could be replayed in between; bounded, the key that was longest without an initiation goes first.
 */
export class TimestampMemory {
  readonly #capacity: number;
  readonly #greatest = new Map<string, Uint8Array>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Whether `label` is later than all before it. */
  isLater(publicKey: Uint8Array, label: Uint8Array): boolean {
    const greatest = this.#greatest.get(nameOf(publicKey));
    return greatest === undefined || compareTai64n(label, greatest) > 0;
  }

  /** Notes a timestamp; only of an authentic initiation. */
  note(publicKey: Uint8Array, label: Uint8Array): void {
    const name = nameOf(publicKey);
    this.#greatest.delete(name);
    this.#greatest.set(name, new Uint8Array(label));
    if (this.#greatest.size <= this.#capacity) return;
    for (const oldest of this.#greatest.keys()) {
      this.#greatest.delete(oldest);
      break;
    }
  }
}

function nameOf(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString("base64");
}
