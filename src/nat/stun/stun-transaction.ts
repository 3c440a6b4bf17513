import type { UdpEndpoint } from "../../packet/endpoint.ts";
import { encodeBindingRequest, type TransactionId } from "./message.ts";

/** RFC 8489 §6.2.1 has 500 ms and 7 requests, 39.5 s in all; who waits for a path does not have these. */
const FIRST_TIMEOUT_MS = 250;
const MAX_FIRST_TIMEOUT_MS = 1_000;
const GIVE_UP_AFTER_MS = 5_000;

/** One Binding request with its repetitions: at 0, 250, 750, 1750 and 3750 ms, and the end at 5 s. */
export class StunTransaction {
  readonly server: UdpEndpoint;
  readonly id: TransactionId;
  readonly bytes: Uint8Array;
  readonly #waitsMs: readonly number[];
  #sentCount = 0;
  #firstSentAtMs = 0;
  #dueAtMs = Number.NEGATIVE_INFINITY;

  /** `roundTripMs`: what it took last time, at most; the first repetition then waits longer than that. */
  constructor(server: UdpEndpoint, id: TransactionId, roundTripMs: number) {
    this.server = server;
    this.id = id;
    this.bytes = encodeBindingRequest(id);
    this.#waitsMs = waits(Math.min(MAX_FIRST_TIMEOUT_MS, Math.max(FIRST_TIMEOUT_MS, 1.5 * roundTripMs)));
  }

  /** When to send again, or to give up. */
  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** Whether the request is to be sent now; false when nobody answered the last one either. */
  sendNext(nowMs: number): boolean {
    const waitMs = this.#waitsMs[this.#sentCount];
    if (waitMs === undefined) return false;
    if (this.#sentCount === 0) this.#firstSentAtMs = nowMs;
    this.#sentCount++;
    // From the sending, not from the plan: a process that slept has not waited for an answer.
    this.#dueAtMs = nowMs + waitMs;
    return true;
  }

  /** Round trip of an answer that comes now; after a repetition it may be shorter, and is not `isExact` (Karn). */
  roundTrip(nowMs: number): { readonly ms: number; readonly isExact: boolean } {
    return { ms: Math.max(0, nowMs - this.#firstSentAtMs), isExact: this.#sentCount === 1 };
  }
}

/** After each sending: doubling, and the rest of the time after the last. */
function waits(firstMs: number): readonly number[] {
  const all: number[] = [];
  let spentMs = 0;
  for (let waitMs = firstMs; spentMs + waitMs < GIVE_UP_AFTER_MS; waitMs *= 2) {
    all.push(waitMs);
    spentMs += waitMs;
  }
  all.push(GIVE_UP_AFTER_MS - spentMs);
  return all;
}
