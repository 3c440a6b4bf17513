import type { DnsListenerStatus } from "../../api/local-dns.ts";
import { Backoff } from "../../base/backoff.ts";
import { errnoOf } from "../../base/errors.ts";
import { DNS_PORT } from "../constants.ts";
import { TcpListener } from "./tcp-listener.ts";
import { type ListenerOptions, UdpListener } from "./udp-listener.ts";

/** What could not be had is tried again after about this long, then at growing intervals. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

export interface ListenersOptions extends Omit<ListenerOptions, "address" | "port"> {
  /** On each of these. */
  readonly addresses: readonly string[];
  /** On the first of these that is free; none: on no such. */
  readonly loopback: readonly string[];
  readonly port?: number;
  /** One was had later that could not be had before. */
  readonly onChange?: () => void;
}

/** One of these addresses is to be listened on. */
interface Place {
  readonly candidates: readonly string[];
  /** Of the address that was had, else of the first that was tried. */
  state: DnsListenerStatus;
}

/**
 * UDP and TCP on each address. One that cannot be had keeps none of the others from being served, and is tried again: whoever
 * has the port may give it up, and an address may come.
 */
export class Listeners implements AsyncDisposable {
  readonly #options: ListenersOptions;
  readonly #port: number;
  readonly #places: readonly Place[];
  readonly #open: AsyncDisposable[] = [];
  readonly #backoff = new Backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  #retry: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(options: ListenersOptions) {
    const { addresses, loopback, port = DNS_PORT } = options;
    this.#options = options;
    this.#port = port;
    const choices = [...addresses.map((address) => [address]), loopback].filter(({ length }) => length > 0);
    this.#places = choices.map((candidates) => {
      return { candidates, state: { address: candidates[0]!, port, problem: "not tried yet" } };
    });
  }

  static async open(options: ListenersOptions): Promise<Listeners> {
    const listeners = new Listeners(options);
    await listeners.#fill();
    return listeners;
  }

  get states(): readonly DnsListenerStatus[] {
    return this.#places.map(({ state }) => state);
  }

  /** @returns whether something was had */
  async #fill(): Promise<boolean> {
    const missing = this.#places.filter(({ state }) => state.problem !== null);
    for (const place of missing) place.state = await this.#firstOf(place.candidates);
    const isLeft = missing.some(({ state }) => state.problem !== null);
    if (isLeft && !this.#isClosed) this.#retry = setTimeout(() => this.#tryAgain(), this.#backoff.nextMs()).unref();
    return missing.some(({ state }) => state.problem === null);
  }

  #tryAgain(): void {
    this.#turn = this.#fill().then((hasNews) => {
      if (hasNews && !this.#isClosed) this.#options.onChange?.();
    });
  }

  async #firstOf(candidates: readonly string[]): Promise<DnsListenerStatus> {
    const problems: DnsListenerStatus[] = [];
    for (const address of candidates) {
      const state = { address, port: this.#port, problem: await this.#listen(address) };
      if (state.problem === null) return state;
      problems.push(state);
    }
    return problems[0]!;
  }

  /** Both, or none. */
  async #listen(address: string): Promise<string | null> {
    const options: ListenerOptions = { ...this.#options, address, port: this.#port };
    let udp: UdpListener | undefined;
    try {
      udp = await UdpListener.open(options);
      const tcp = await TcpListener.open({ ...options, port: udp.port });
      this.#open.push(udp, tcp);
      return null;
    } catch (failure) {
      await udp?.[Symbol.asyncDispose]();
      return problemOf(failure, this.#port);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    await this.#turn;
    await Promise.all(this.#open.map((listener) => listener[Symbol.asyncDispose]()));
  }
}

function problemOf(failure: unknown, port: number): string {
  switch (errnoOf(failure)) {
    case "EADDRINUSE":
      return `another program has port ${port} there, or on all addresses`;
    case "EADDRNOTAVAIL":
      return "this host does not have the address";
    case "EACCES":
      return `port ${port} takes root or CAP_NET_BIND_SERVICE`;
    default:
      return failure instanceof Error ? failure.message : String(failure);
  }
}
