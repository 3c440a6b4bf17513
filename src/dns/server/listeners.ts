import type { DnsListenerStatus } from "../../api/local-dns.ts";
import { errnoOf } from "../../base/errors.ts";
import { DNS_PORT } from "../constants.ts";
import { TcpListener } from "./tcp-listener.ts";
import { type ListenerOptions, UdpListener } from "./udp-listener.ts";

export interface ListenersOptions extends Omit<ListenerOptions, "address" | "port"> {
  /** On each of these. */
  readonly addresses: readonly string[];
  /** On the first of these that is free. */
  readonly loopback: readonly string[];
  readonly port?: number;
}

/** UDP and TCP on each address. One that cannot be had keeps none of the others from being served. */
export class Listeners implements AsyncDisposable {
  readonly #open: AsyncDisposable[] = [];
  readonly #states: DnsListenerStatus[] = [];

  get states(): readonly DnsListenerStatus[] {
    return this.#states;
  }

  static async open({ addresses, loopback, port = DNS_PORT, ...common }: ListenersOptions): Promise<Listeners> {
    const listeners = new Listeners();
    for (const address of addresses) {
      listeners.#states.push({ address, port, problem: await listeners.#listen({ ...common, address, port }) });
    }
    const problems: DnsListenerStatus[] = [];
    for (const address of loopback) {
      const problem = await listeners.#listen({ ...common, address, port });
      if (problem === null) {
        listeners.#states.push({ address, port, problem });
        return listeners;
      }
      problems.push({ address, port, problem });
    }
    listeners.#states.push(...problems.slice(0, 1));
    return listeners;
  }

  /** Both, or none. */
  async #listen(options: ListenerOptions): Promise<string | null> {
    let udp: UdpListener | undefined;
    try {
      udp = await UdpListener.open(options);
      const tcp = await TcpListener.open({ ...options, port: udp.port });
      this.#open.push(udp, tcp);
      return null;
    } catch (failure) {
      await udp?.[Symbol.asyncDispose]();
      return problemOf(failure, options.port);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
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
