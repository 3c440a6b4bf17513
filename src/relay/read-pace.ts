import type { WebSocket } from "ws";
import { TokenBucket } from "../base/token-bucket.ts";
import type { RelayLimits } from "./limits.ts";

export interface ReadPaceHandlers {
  /** The client sends too much: it is not read for a while. */
  readonly onPause: () => void;
  /** It is read again. */
  readonly onResume: () => void;
}

/** How fast one client is read: no more than its share of a turn at once, and no more than it may send in the long run. */
export class ReadPace {
  readonly #webSocket: WebSocket;
  readonly #limits: RelayLimits;
  readonly #handlers: ReadPaceHandlers;
  readonly #bytes: TokenBucket;
  readonly #frames: TokenBucket;
  #turn = { bytes: 0, frames: 0, isCounted: false };
  #pauseTimer: NodeJS.Timeout | undefined;

  constructor(webSocket: WebSocket, limits: RelayLimits, handlers: ReadPaceHandlers, nowMs: number) {
    this.#webSocket = webSocket;
    this.#limits = limits;
    this.#handlers = handlers;
    this.#bytes = new TokenBucket(limits.burstBytes, limits.bytesPerSecond, nowMs);
    this.#frames = new TokenBucket(limits.burstFrames, limits.framesPerSecond, nowMs);
  }

  /** Counts a frame that came in; answers for how long, in milliseconds, none should have come after it. */
  count(sizeBytes: number, nowMs: number): number {
    return Math.max(this.#bytes.spend(sizeBytes, nowMs), this.#frames.spend(1, nowMs));
  }

  /** Reads on after `waitMs`, or 0: when the others had their turn, if this frame ends the client's own. */
  follow(waitMs: number, sizeBytes: number): void {
    if (waitMs > 0) this.#pause(waitMs);
    else this.#countTurn(sizeBytes);
  }

  stop(): void {
    clearTimeout(this.#pauseTimer);
  }

  #pause(waitMs: number): void {
    if (this.#pauseTimer !== undefined) return;
    this.#handlers.onPause();
    this.#webSocket.pause();
    this.#pauseTimer = setTimeout(() => this.#resume(), waitMs);
  }

  #countTurn(sizeBytes: number): void {
    const turn = this.#turn;
    turn.bytes += sizeBytes;
    turn.frames++;
    if (!turn.isCounted) {
      turn.isCounted = true;
      setImmediate(() => this.#endTurn());
    }
    if (turn.bytes >= this.#limits.turnBytes || turn.frames >= this.#limits.turnFrames) this.#webSocket.pause();
  }

  #endTurn(): void {
    this.#turn = { bytes: 0, frames: 0, isCounted: false };
    if (this.#pauseTimer === undefined) this.#webSocket.resume();
  }

  #resume(): void {
    this.#pauseTimer = undefined;
    this.#handlers.onResume();
    this.#webSocket.resume();
  }
}
