import type { NetworkMap } from "../../api/network-map.ts";
import { endpointSchema } from "../../api/primitives.ts";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import type { Resolve } from "../../host/underlay/resolver.ts";
import { formatEndpoint } from "../../router/tunnel/endpoint-text.ts";

/** Names resolved at once, and addresses taken of each. */
const MAX_AT_ONCE = 4;
const MAX_ADDRESSES = 4;
/** An answer that comes later is not waited for: the next one of the queue has its turn. */
const PATIENCE_MS = 5000;
const REFRESH_MS = 300_000;
const RETRY_MS = 60_000;
/** A name is not asked for more often than this, whatever the network does. */
const MIN_INTERVAL_MS = 2000;

export interface OverrideEndpointsDeps {
  readonly resolve: Resolve;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Some name has other addresses than before. */
  readonly onChange: () => void;
}

interface Name {
  readonly host: string;
  readonly port: number;
  endpoints: readonly string[];
  askedAtMs: number;
  dueAtMs: number;
  isAsking: boolean;
}

/**
 * Where admins say that peers are reached, with the names resolved. What a name meant last counts until it is known to mean
 * something else.
 */
export class OverrideEndpoints implements Disposable {
  readonly #deps: OverrideEndpointsDeps;
  /** By `HOST:PORT`. */
  readonly #names = new Map<string, Name>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(deps: OverrideEndpointsDeps) {
    this.#deps = deps;
  }

  /** The candidates that `override` (`HOST:PORT`) means, as far as it is known; `ADDRESS:PORT` is known at once. */
  endpointsOf(override: string | null): readonly string[] {
    if (override === null) return [];
    return isAddress(override) ? [override] : (this.#names.get(override)?.endpoints ?? []);
  }

  setPeers(map: NetworkMap): void {
    const wanted = new Set(map.peers.flatMap(({ overrideEndpoint: text }) => (text && !isAddress(text) ? [text] : [])));
    for (const text of this.#names.keys()) if (!wanted.has(text)) this.#names.delete(text);
    for (const text of wanted) if (!this.#names.has(text)) this.#names.set(text, nameOf(text));
    this.#askDue();
  }

  /** In another network names may mean something else. */
  networkChanged(): void {
    for (const name of this.#names.values()) name.dueAtMs = name.askedAtMs + MIN_INTERVAL_MS;
    this.#askDue();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #askDue(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const nowMs = this.#deps.clock.monotonicMs();
    const names = [...this.#names.values()];
    const waiting = names.filter(({ isAsking }) => !isAsking).sort((a, b) => a.dueAtMs - b.dueAtMs);
    const free = MAX_AT_ONCE - (names.length - waiting.length);
    for (const name of waiting.splice(0, Math.max(0, free))) {
      if (name.dueAtMs <= nowMs) void this.#ask(name);
      else waiting.unshift(name);
    }
    const nextMs = Math.min(...waiting.map(({ dueAtMs }) => dueAtMs));
    // What waits for its turn only is taken up when one of those before it is done.
    if (!Number.isFinite(nextMs) || nextMs <= nowMs) return;
    this.#timer = setTimeout(() => this.#askDue(), nextMs - nowMs);
    this.#timer.unref();
  }

  async #ask(name: Name): Promise<void> {
    const { resolve, clock, logger, onChange } = this.#deps;
    const { host, port } = name;
    name.isAsking = true;
    name.askedAtMs = clock.monotonicMs();
    let endpoints: readonly string[] | undefined;
    try {
      const found = await withPatience((signal) => resolve(host, signal));
      endpoints = found.slice(0, MAX_ADDRESSES).map((address) => formatEndpoint({ address, port }));
    } catch (failure) {
      logger.debug({ err: failure, host }, "the name of a peer's endpoint could not be resolved");
    }
    name.isAsking = false;
    name.dueAtMs = clock.monotonicMs() + (endpoints === undefined ? RETRY_MS : REFRESH_MS);
    const isNews = endpoints !== undefined && endpoints.join() !== name.endpoints.join();
    name.endpoints = endpoints ?? name.endpoints;
    this.#askDue();
    if (isNews && !this.#isClosed) onChange();
  }
}

function isAddress(hostPort: string): boolean {
  return endpointSchema.safeParse(hostPort).success;
}

function nameOf(hostPort: string): Name {
  const colon = hostPort.lastIndexOf(":");
  return {
    host: hostPort.slice(0, colon),
    port: Number(hostPort.slice(colon + 1)),
    endpoints: [],
    askedAtMs: Number.NEGATIVE_INFINITY,
    dueAtMs: Number.NEGATIVE_INFINITY,
    isAsking: false,
  };
}

/** @throws Error when the answer takes too long: the system's own resolver hears no signal */
function withPatience<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const patience = new AbortController();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error("no answer in time"));
      patience.abort();
    }, PATIENCE_MS);
    timer.unref();
    ask(patience.signal)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
