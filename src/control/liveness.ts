import { WebSocket } from "ws";
import type { Clock } from "../base/clock.ts";

const PING_INTERVAL_MS = 15_000;
/** A channel on which nothing arrives for this long is dead, whatever TCP believes. */
const SILENCE_LIMIT_MS = 40_000;
/** The same, once there is reason to doubt it. */
const HASTY_LIMIT_MS = 2000;

export interface Silence {
  /** It was asked for a sign of life, with reason. */
  readonly wasDoubted: boolean;
}

/** Watches whether the other end of a WebSocket is still there: by a ping now and then, and at once when asked. */
export class Liveness {
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #onSilence: (silence: Silence) => void;
  readonly #interval: NodeJS.Timeout;
  #hastyTimer: NodeJS.Timeout | undefined;
  #lastHeardMs: number;

  constructor(socket: WebSocket, clock: Clock, onSilence: (silence: Silence) => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#onSilence = onSilence;
    this.#lastHeardMs = clock.monotonicMs();
    this.#interval = setInterval(() => {
      if (clock.monotonicMs() - this.#lastHeardMs > SILENCE_LIMIT_MS) onSilence({ wasDoubted: false });
      else this.#ping();
    }, PING_INTERVAL_MS);
    this.#interval.unref();
  }

  /** Anything came. */
  heard(): void {
    this.#lastHeardMs = this.#clock.monotonicMs();
  }

  /** Asks for a sign of life, and does not wait for it as long as usual. */
  checkNow(): void {
    if (this.#hastyTimer !== undefined) return;
    const askedMs = this.#clock.monotonicMs();
    this.#ping();
    this.#hastyTimer = setTimeout(() => {
      this.#hastyTimer = undefined;
      if (this.#lastHeardMs <= askedMs) this.#onSilence({ wasDoubted: true });
    }, HASTY_LIMIT_MS);
  }

  stop(): void {
    clearInterval(this.#interval);
    clearTimeout(this.#hastyTimer);
  }

  #ping(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }
}
