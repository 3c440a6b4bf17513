import type { Clock } from "../../base/clock.ts";
import type { Registry } from "../registry.ts";

/** The sending end of one machine's control channel. */
export interface Receiver {
  /** Hands over one message; `onSent` is called when it has left our buffers, or never when the channel dies. */
  send(message: string, onSent: () => void): void;
}

/** What one receiver is told of the network, as JSON text. */
export interface View {
  /** All of it; undefined when the receiver is part of the network no more. */
  whole(): string | undefined;
  /**
   * What takes the receiver from `fromVersion` to the present, where everything up to `scannedVersion` is known not to
   * concern it. `nothing` when no change since concerns it; `out-of-reach` when it needs the whole.
   */
  delta(fromVersion: number, scannedVersion: number): string | "nothing" | "out-of-reach";
  /** Nothing has changed since `version`. */
  upToDate(version: number): string;
}

interface Subscription {
  readonly receiver: Receiver;
  readonly view: View;
  /** The version of what the receiver has, or will have once what is under way arrives; null before any. */
  version: number | null;
  /** Up to here, every change was sent or did not concern the receiver. */
  scannedVersion: number;
  /** A message is on its way. Changes wait meanwhile and go together, so a slow reader costs one message of memory. */
  isSending: boolean;
}

/** Brings every change to the machines that may see it, coalesced, as deltas. */
export class Distribution {
  #registry: Registry;
  #clock: Clock;
  #pushIntervalMs: number;
  #subscriptions = new Set<Subscription>();
  #timer: NodeJS.Timeout | undefined;
  #lastPushMs = Number.NEGATIVE_INFINITY;
  /** Messages handed over, by what they were, and their characters in all. */
  readonly pushes = { whole: 0, delta: 0, "up-to-date": 0 };
  pushedBytes = 0;

  constructor(registry: Registry, clock: Clock, pushIntervalMs: number) {
    this.#registry = registry;
    this.#clock = clock;
    this.#pushIntervalMs = pushIntervalMs;
    registry.onChange = () => this.#schedule();
  }

  /** Begins with a delta from `version` where that is possible, else with the whole. Returns the way to end it. */
  subscribe(receiver: Receiver, view: View, version: number | null): () => void {
    const subscription: Subscription = {
      receiver,
      view,
      version,
      scannedVersion: version ?? -1,
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

  /** @param isFirst the receiver is to learn that it is up to date even when nothing changed */
  #push(subscription: Subscription, isFirst: boolean): void {
    if (subscription.isSending) return;
    const { version } = this.#registry;
    const { view } = subscription;
    if (subscription.scannedVersion === version && !isFirst) return;
    let kind: keyof Distribution["pushes"] = "delta";
    let message: string | undefined = "out-of-reach";
    if (subscription.version !== null) message = view.delta(subscription.version, subscription.scannedVersion);
    if (message === "nothing") {
      subscription.scannedVersion = version;
      if (!isFirst) return;
      message = view.upToDate(subscription.version ?? version);
      kind = "up-to-date";
    } else {
      if (message === "out-of-reach") {
        message = view.whole();
        kind = "whole";
      }
      if (message === undefined) return;
      subscription.scannedVersion = version;
      subscription.version = version;
    }
    this.pushes[kind]++;
    this.pushedBytes += message.length;
    subscription.isSending = true;
    subscription.receiver.send(message, () => {
      subscription.isSending = false;
      if (this.#subscriptions.has(subscription)) this.#push(subscription, false);
    });
  }
}
