import type { Clock } from "../../base/clock.ts";
import { emptyPipeStats, type PipeStats, type PipeTransport } from "../pipe/pipe-transport.ts";
import { DEFAULT_RELAY_CLIENT_LIMITS } from "./limits.ts";
import {
  RelayClient,
  type RelayClientDeps,
  type RelayClientHandlers,
  type RelayClientOptions,
  type RelayClientState,
} from "./relay-client.ts";

/** How often in `unusedMs` it is looked whether it has passed. */
const CHECKS = 5;

export interface RelayWayOptions extends RelayClientOptions {
  /** Whether the peer (WireGuard key) is to be found at this relay, or finds us there. */
  readonly leadsTo: (peer: string) => boolean;
}

export interface RelayWayDeps extends RelayClientDeps {
  readonly clock: Clock;
}

/**
 * The way by one of a network's relays. At a home relay, where others find us, it is connected all the time; at any other
 * one only while somebody who is found there is wanted, or the number of connections would grow with that of relays.
 */
export class RelayWay implements PipeTransport {
  readonly transport = "relay";
  readonly #options: RelayWayOptions;
  readonly #handlers: RelayClientHandlers;
  readonly #deps: RelayWayDeps;
  readonly #unusedMs: number;
  readonly #timer: NodeJS.Timeout;
  #client: RelayClient | undefined;
  #isHome = false;
  #usedAtMs: number;
  #isClosed = false;

  constructor(options: RelayWayOptions, handlers: RelayClientHandlers, deps: RelayWayDeps) {
    this.#options = options;
    this.#handlers = handlers;
    this.#deps = deps;
    this.#usedAtMs = deps.clock.monotonicMs();
    this.#unusedMs = deps.limits?.unusedMs ?? DEFAULT_RELAY_CLIENT_LIMITS.unusedMs;
    this.#timer = setInterval(() => this.#closeUnused(), this.#unusedMs / CHECKS);
    this.#timer.unref();
  }

  get isHome(): boolean {
    return this.#isHome;
  }

  /** Undefined while there is no connection and none is wanted. */
  get state(): RelayClientState | undefined {
    return this.#client?.state;
  }

  get stats(): Readonly<PipeStats> {
    return this.#client?.stats ?? emptyPipeStats();
  }

  /** A relay that is home no more is left when it is not used. */
  setHome(isHome: boolean): void {
    this.#isHome = isHome;
    if (isHome) this.#wake();
  }

  leadsTo(peer: string): boolean {
    return this.#options.leadsTo(peer);
  }

  isOpenTo(peer: string): boolean {
    return this.#client?.isOpenTo(peer) ?? false;
  }

  addressOf(peer: string): string | null {
    return this.#client?.addressOf(peer) ?? null;
  }

  want(peer: string): void {
    this.#use()?.want(peer);
  }

  send(peer: string, datagram: Uint8Array): boolean {
    return this.#use()?.send(peer, datagram) ?? false;
  }

  checkNow(doubt?: { readonly isLost?: boolean }): void {
    this.#client?.checkNow(doubt);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#client?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #use(): RelayClient | undefined {
    this.#usedAtMs = this.#deps.clock.monotonicMs();
    this.#wake();
    return this.#client;
  }

  #wake(): void {
    if (!this.#isClosed) this.#client ??= new RelayClient(this.#options, this.#handlers, this.#deps);
  }

  #closeUnused(): void {
    const client = this.#client;
    if (client === undefined || this.#isHome) return;
    if (this.#deps.clock.monotonicMs() - this.#usedAtMs < this.#unusedMs) return;
    this.#client = undefined;
    void client.close();
    this.#handlers.onStateChange?.();
  }
}
