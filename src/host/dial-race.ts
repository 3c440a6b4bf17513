import { isIPv6 } from "node:net";
import type { Clock } from "../base/clock.ts";

/** What became of one endpoint of a dial. */
export interface DialAttempt {
  readonly endpoint: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly startedAtMs: number;
  readonly tookMs: number;
  /** `lost`: another one was faster. */
  readonly outcome: "won" | "lost" | "failed";
  /** Why it failed; empty otherwise. */
  readonly reason: string;
}

export interface RaceOptions<T> {
  readonly endpoints: readonly string[];
  /** Rejects when `signal` aborts; after that it keeps nothing open. */
  readonly attempt: (endpoint: string, signal: AbortSignal) => Promise<T>;
  /** Gives up a connection that came too late. */
  readonly discard: (late: T) => void;
  readonly staggerMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onAttempt: (attempt: DialAttempt) => void;
}

export interface RaceResult<T> {
  readonly endpoint: string;
  readonly value: T;
}

/**
 * Tries the endpoints one after the other, each `staggerMs` after the last or as soon as that failed, and goes on with
 * whichever is there first (RFC 8305 §5). Undefined when all failed or `signal` aborted; each endpoint tried is told of.
 */
export function raceEndpoints<T>(options: RaceOptions<T>): Promise<RaceResult<T> | undefined> {
  return new Promise((resolve) => new Race(options, resolve).start());
}

/** Families in turn, the first endpoint's first, each in its own order (RFC 8305 §4). */
export function interleaveFamilies(endpoints: readonly string[]): string[] {
  const isV6 = (endpoint: string) => isIPv6(endpoint.slice(1, endpoint.lastIndexOf("]")).replace(/%.*$/, ""));
  const first = endpoints[0] !== undefined && isV6(endpoints[0]);
  const [leading, other] = [endpoints.filter((e) => isV6(e) === first), endpoints.filter((e) => isV6(e) !== first)];
  const longer = Math.max(leading.length, other.length);
  return Array.from({ length: longer }, (_, i) => [leading[i], other[i]])
    .flat()
    .filter((endpoint) => endpoint !== undefined);
}

class Race<T> {
  readonly #options: RaceOptions<T>;
  readonly #resolve: (result: RaceResult<T> | undefined) => void;
  readonly #waiting: string[];
  readonly #losers = new AbortController();
  #running = 0;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(options: RaceOptions<T>, resolve: (result: RaceResult<T> | undefined) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#waiting = [...options.endpoints];
  }

  start(): void {
    const { signal } = this.#options;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) this.#end(undefined);
    else this.#next();
  }

  readonly #onAbort = (): void => this.#end(undefined);

  #next(): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    const endpoint = this.#waiting.shift();
    if (endpoint === undefined) {
      if (this.#running === 0) this.#end(undefined);
      return;
    }
    this.#timer = setTimeout(() => this.#next(), this.#options.staggerMs);
    this.#running++;
    void this.#try(endpoint);
  }

  async #try(endpoint: string): Promise<void> {
    const { clock, onAttempt } = this.#options;
    const startedAtMs = clock.wallMs();
    const startMs = clock.monotonicMs();
    const tell = (outcome: DialAttempt["outcome"], reason = "") =>
      onAttempt({ endpoint, startedAtMs, tookMs: Math.round(clock.monotonicMs() - startMs), outcome, reason });
    try {
      const value = await this.#options.attempt(endpoint, this.#losers.signal);
      if (this.#isOver) {
        this.#options.discard(value);
        return tell("lost");
      }
      tell("won");
      this.#end({ endpoint, value });
    } catch (failure) {
      if (this.#isOver) return tell("lost");
      tell("failed", failure instanceof Error ? failure.message : String(failure));
      this.#running--;
      this.#next();
    }
  }

  #end(result: RaceResult<T> | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#losers.abort();
    this.#resolve(result);
  }
}
