import type { Clock } from "../base/clock.ts";
import type { MapBuilder } from "./map-builder.ts";
import type { Registry } from "./registry.ts";

/** The sending end of one peer's control channel. */
export interface MapReceiver {
  readonly peerId: number;
  /** Hands over one message; `onSent` is called when it has left our buffers, or never when the channel dies. */
  send(message: string, onSent: () => void): void;
}

interface Subscription {
  readonly receiver: MapReceiver;
  /** The version of the map that the peer has, or will have once what is under way arrives; null before any. */
  version: number | null;
  /** Up to here, every change was sent or did not concern the peer. */
  scannedVersion: number;
  /** A message is on its way. Changes wait meanwhile and go together, so a slow reader costs one message of memory. */
  isSending: boolean;
}

/** Brings every change to the peers that may see it, coalesced, as deltas. */
export class Distribution {
  #registry: Registry;
  #builder: MapBuilder;
  #clock: Clock;
  #pushIntervalMs: number;
  #subscriptions = new Set<Subscription>();
  #timer: NodeJS.Timeout | undefined;
  #lastPushMs = Number.NEGATIVE_INFINITY;

  constructor(registry: Registry, builder: MapBuilder, clock: Clock, pushIntervalMs: number) {
    this.#registry = registry;
    this.#builder = builder;
    this.#clock = clock;
    this.#pushIntervalMs = pushIntervalMs;
    registry.onChange = () => this.#schedule();
  }

  /** Begins with a delta from `mapVersion` where that is possible, else with a whole map. Returns the way to end it. */
  subscribe(receiver: MapReceiver, mapVersion: number | null): () => void {
    const subscription: Subscription = {
      receiver,
      version: mapVersion,
      scannedVersion: mapVersion ?? -1,
      isSending: false,
    };
    this.#subscriptions.add(subscription);
    this.#push(subscription, true);
    return () => this.#subscriptions.delete(subscription);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#subscriptions.clear();
    this.#registry.onChange = () => {};
  }

  /** The first change after a quiet time goes out with the next turn of the event loop, the following ones together. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#subscriptions.size === 0) return;
    const waitMs = Math.max(0, this.#lastPushMs + this.#pushIntervalMs - this.#clock.monotonicMs());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#lastPushMs = this.#clock.monotonicMs();
      for (const subscription of this.#subscriptions) this.#push(subscription, false);
    }, waitMs);
  }

  /** @param isFirst the peer is to learn that it is up to date even when nothing changed */
  #push(subscription: Subscription, isFirst: boolean): void {
    if (subscription.isSending) return;
    const { version } = this.#registry;
    const viewer = this.#registry.byId(subscription.receiver.peerId);
    if (viewer === undefined || (subscription.scannedVersion === version && !isFirst)) return;
    let message: string = "out-of-reach";
    if (subscription.version !== null) {
      message = this.#builder.deltaMessage(viewer, subscription.version, subscription.scannedVersion);
    }
    subscription.scannedVersion = version;
    if (message === "nothing") {
      if (!isFirst) return;
      message = upToDate(subscription.version ?? version);
    } else {
      if (message === "out-of-reach") message = this.#builder.mapMessage(viewer);
      subscription.version = version;
    }
    subscription.isSending = true;
    subscription.receiver.send(message, () => {
      subscription.isSending = false;
      if (this.#subscriptions.has(subscription)) this.#push(subscription, false);
    });
  }
}

/** A delta from a version to itself: nothing changed. */
function upToDate(version: number): string {
  return JSON.stringify({
    type: "delta",
    delta: { fromVersion: version, toVersion: version, removed: [], upserted: [] },
  });
}
