import { createServer, type Server, type Socket } from "node:net";
import ssh2, { type ParsedKey } from "ssh2";
import type { Clock } from "../../base/clock.ts";
import { errnoOf, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { BindListener, SocketTarget } from "../../host/tcp.ts";
import { Admission } from "./admission.ts";
import { formatTarget } from "./endpoint.ts";
import { IncomingConnection } from "./incoming-connection.ts";
import type { SshLimits, SshStats, SshTimings } from "./options.ts";
import type { PeerDirectory } from "./peer-directory.ts";
import type { OpenedConnection } from "./ssh-link.ts";

export interface SshServerContext {
  /** Our machine key as an OpenSSH private key. */
  readonly privateKey: string;
  readonly directory: PeerDirectory;
  readonly timings: SshTimings;
  readonly limits: SshLimits;
  readonly stats: SshStats;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bindListener: BindListener;
  readonly onOpen: (opened: OpenedConnection) => void;
}

/** What became of one address that we were to listen on. */
export interface ListenResult {
  readonly wanted: SocketTarget;
  /** With the port that was chosen for 0; null when it failed. */
  readonly listening: SocketTarget | null;
  readonly error: MeshError | null;
}

/** The SSH server of a peer, on as many ports as it gets. */
export class SshServer implements AsyncDisposable {
  readonly #context: SshServerContext;
  readonly #hostKey: ParsedKey;
  readonly #admission: Admission;
  readonly #listeners: Server[] = [];
  readonly #incoming = new Set<IncomingConnection>();

  /** @throws MeshError `bad-key` */
  constructor(context: SshServerContext) {
    this.#context = context;
    const hostKey = ssh2.utils.parseKey(context.privateKey);
    if (hostKey instanceof Error) throw new MeshError("bad-key", "the machine key is no SSH key", { cause: hostKey });
    this.#hostKey = hostKey;
    this.#admission = new Admission({ ...context.limits, penaltyMs: context.timings.penaltyMs });
  }

  /** One that cannot be had does not keep the others from being listened on. */
  listen(addresses: readonly SocketTarget[]): Promise<readonly ListenResult[]> {
    return Promise.all(addresses.map((wanted) => this.#listenOn(wanted)));
  }

  /** Ends what `machineKey` has logged in with, subsystem or none. */
  cut(machineKey: string): void {
    for (const each of this.#incoming) if (each.machineKey === machineKey) each.socket.destroy();
  }

  /** Idempotent. Breaks every connection, so its owner leaves those with an open subsystem first. */
  async close(): Promise<void> {
    const closed = this.#listeners.splice(0).map((listener) => new Promise((done) => listener.close(done)));
    for (const each of this.#incoming) each.socket.destroy();
    await Promise.all(closed);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #listenOn(wanted: SocketTarget): Promise<ListenResult> {
    return new Promise((resolve) => {
      const listener = createServer({ noDelay: true }, (socket) => this.#accept(socket));
      listener.once("error", (cause) => resolve({ wanted, listening: null, error: listenError(wanted, cause) }));
      listener.once("listening", () => {
        const address = listener.address();
        const port = typeof address === "object" && address !== null ? address.port : wanted.port;
        // Later failures are of single connections (no file descriptors left): the next one may do better.
        listener.on("error", (failure) => this.#context.logger.warn({ failure }, "an SSH connection was not accepted"));
        this.#listeners.push(listener);
        resolve({ wanted, listening: { host: wanted.host, port }, error: null });
      });
      this.#context.bindListener(listener, wanted);
    });
  }

  #accept(socket: Socket): void {
    const { clock, timings, stats, onOpen } = this.#context;
    // A connection that ends while it is accepted breaks nothing.
    socket.on("error", () => socket.destroy());
    const source = socket.remoteAddress;
    const ticket = source && this.#admission.enter(source, clock.monotonicMs(), () => socket.destroy());
    if (!ticket) {
      stats.refusedConnections++;
      socket.destroy();
      return;
    }
    const incoming = new IncomingConnection(socket, {
      hostKey: this.#hostKey,
      directory: this.#context.directory,
      keepaliveMs: timings.keepaliveMs,
      handshakeMs: timings.handshakeMs,
      onOpen: (opened) => {
        ticket.leave();
        onOpen(opened);
      },
    });
    this.#incoming.add(incoming);
    socket.once("close", () => {
      this.#incoming.delete(incoming);
      if (incoming.isOpen) return;
      stats.refusedConnections++;
      // Who proved a key and then went away was one of several attempts of an honest peer.
      if (incoming.machineKey === undefined) ticket.fail(clock.monotonicMs());
      else ticket.leave();
    });
  }
}

function listenError(wanted: SocketTarget, cause: Error): MeshError {
  const address = formatTarget(wanted);
  switch (errnoOf(cause)) {
    case "EADDRINUSE":
      return new MeshError("port-in-use", `${address} is in use by another program`, {
        cause,
        hint: "Choose another port with `--ssh-port`.",
      });
    case "EACCES":
      return new MeshError("not-permitted", `not permitted to listen on ${address}`, {
        cause,
        hint: "Ports below 1024 need root or CAP_NET_BIND_SERVICE.",
      });
    default:
      return new MeshError("listen-failed", `cannot listen on ${address}: ${cause.message}`, { cause });
  }
}
