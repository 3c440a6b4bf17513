import type { Socket } from "node:dgram";
import type { ListenAddress } from "../../api/listen-address.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { bind, bindEach, bindings, closeSocket } from "./address-sockets.ts";
import { StunResponder, type StunResponderLimits } from "./stun-responder.ts";

export interface StunServerOptions {
  /** Empty host, `0.0.0.0` (IPv4 alone) and `::` stand for every address of this machine; port 0 for a free one. */
  readonly listen: readonly ListenAddress[];
  /** The addresses are only the usual ones: where a port is taken there is no STUN, and the log tells. */
  readonly mayFail?: boolean;
  readonly limits?: StunResponderLimits;
}

export interface StunServerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

const LAST_PORT = 65_535;
/** How soon an address that this machine has got is served. */
const ADDRESS_CHECK_MS = 5_000;

/** One listen address gets the port after it as well: to see whether a mapping depends on the port takes two. */
export function withAlternatePort(listen: readonly ListenAddress[]): readonly ListenAddress[] {
  const [only, ...others] = listen;
  if (only === undefined || others.length > 0) return listen;
  const port = only.port === 0 ? 0 : only.port === LAST_PORT ? LAST_PORT - 1 : only.port + 1;
  return [only, { ...only, port }];
}

/**
 * A STUN server on UDP. It has a socket for each address of this machine, never one for all: an answer must come from the
 * address that was asked, and from a socket for all it would come from the one that the routes prefer.
 */
export class StunServer implements AsyncDisposable {
  /** As asked for, with the ports really taken. */
  readonly addresses: readonly ListenAddress[];
  readonly #deps: StunServerDeps;
  readonly #responder: StunResponder;
  readonly #sockets: Map<string, Socket>;
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;

  /** Opens all or none. @throws MeshError `port-in-use`, `not-permitted`, `bad-config` */
  static async open(options: StunServerOptions, deps: StunServerDeps): Promise<StunServer> {
    const sockets = new Map<string, Socket>();
    try {
      const addresses: ListenAddress[] = [];
      for (const wanted of options.listen) addresses.push(await bindEach(wanted, sockets));
      return new StunServer(addresses, sockets, new StunResponder(options.limits), deps);
    } catch (failure) {
      await Promise.all(Array.from(sockets.values(), closeSocket));
      const isTaken = failure instanceof MeshError && failure.code === "port-in-use";
      if (!isTaken || options.mayFail !== true) throw failure;
      deps.logger.warn({ code: failure.code }, `no STUN here: ${failure.message}`);
      return new StunServer([], new Map(), new StunResponder(options.limits), deps);
    }
  }

  private constructor(
    addresses: readonly ListenAddress[],
    sockets: Map<string, Socket>,
    responder: StunResponder,
    deps: StunServerDeps,
  ) {
    this.addresses = addresses;
    this.#sockets = sockets;
    this.#responder = responder;
    this.#deps = deps;
    for (const socket of sockets.values()) this.#serve(socket);
    this.#timer = setInterval(() => {
      this.#followAddresses().catch((failure: unknown) => deps.logger.warn({ failure }, "STUN stays where it is"));
    }, ADDRESS_CHECK_MS).unref();
  }

  /** Answers no more. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(sockets.map(closeSocket));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #serve(socket: Socket): void {
    socket.on("message", (datagram, { address, port }) => {
      const answer = this.#responder.respond(datagram, { address, port }, this.#deps.clock.monotonicMs());
      // A datagram may be lost, on the way or here: the asker repeats.
      if (answer !== undefined) socket.send(answer, port, address, () => undefined);
    });
    socket.on("error", (error) => this.#deps.logger.warn({ error: error.message }, "a STUN socket failed"));
  }

  /** Addresses come and go while we run. */
  async #followAddresses(): Promise<void> {
    const wanted = new Map(this.addresses.flatMap((address) => [...bindings(address)]));
    for (const [key, socket] of this.#sockets) {
      if (wanted.has(key)) continue;
      this.#sockets.delete(key);
      await closeSocket(socket);
    }
    for (const [key, binding] of wanted) {
      if (this.#sockets.has(key)) continue;
      try {
        const socket = await bind(binding);
        if (this.#isClosed) return void (await closeSocket(socket));
        this.#serve(socket);
        this.#sockets.set(key, socket);
      } catch (failure) {
        // An IPv6 address that is not yet known to be ours alone cannot be bound; the next check may.
        this.#deps.logger.debug({ address: binding.host, failure: String(failure) }, "an address gets no STUN socket");
      }
    }
  }
}
