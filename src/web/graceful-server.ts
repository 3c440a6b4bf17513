import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { refuseOnSocket } from "../api/raw-response.ts";
import { errnoOf, MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";

const MAX_CONNECTIONS = 20_000;
/** RFC 9110 §15.5.9: the client was too slow, not we. */
const REQUEST_TIMEOUT = 408;

export interface ServerLimits {
  /** A request must be complete after this. */
  readonly requestTimeoutMs: number;
  /** How long a stop waits for requests in flight. */
  readonly drainMs: number;
}

/** A server that slow or garbled clients cannot hold on to, neither while it runs nor when it stops. */
export class GracefulServer {
  readonly server: Server;
  #limits: ServerLimits;
  /** All of them: the HTTP layer does not know those in a TLS handshake. */
  #sockets = new Set<Socket>();

  constructor(server: Server, limits: ServerLimits, logger: Logger) {
    this.server = server;
    this.#limits = limits;
    server.headersTimeout = Math.min(10_000, limits.requestTimeoutMs);
    server.requestTimeout = limits.requestTimeoutMs;
    server.keepAliveTimeout = 5_000;
    server.maxHeadersCount = 100;
    server.maxConnections = MAX_CONNECTIONS;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("clientError", (error, socket) => {
      if (errnoOf(error) === "ERR_SSL_HTTP_REQUEST") {
        this.#refusePlainHttp(socket);
      } else if (!socket.writable || errnoOf(error) === "ECONNRESET") {
        socket.destroy();
      } else if (errnoOf(error) === "ERR_HTTP_REQUEST_TIMEOUT") {
        refuseOnSocket(socket, new MeshError("timeout", "the request was not complete in time"), REQUEST_TIMEOUT);
      } else {
        refuseOnSocket(socket, new MeshError("bad-request", "this is not a valid HTTP request"));
      }
    });
    // A connection that could not be accepted ends nothing but itself.
    server.on("error", (error) => {
      if (server.listening) logger.warn({ error: error.message }, "a connection was not accepted");
    });
  }

  /** Accepts no more, waits for the requests in flight, and cuts what is left after `drainMs`. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy();
      }, this.#limits.drainMs);
      this.server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.server.closeIdleConnections();
    });
  }

  /**
   * Answers a plain HTTP request on a TLS port in the language that it came in, on the TCP socket underneath: `encrypted` has
   * no keys. Called before Node destroys both; the answer is in the kernel's hands by then.
   */
  #refusePlainHttp(encrypted: Duplex): void {
    const { remotePort, remoteAddress, localAddress } = encrypted as Socket;
    const plain = [...this.#sockets].find(
      (socket) =>
        socket.remotePort === remotePort &&
        socket.remoteAddress === remoteAddress &&
        socket.localAddress === localAddress,
    );
    if (plain?.writable !== true) return;
    const message = "this port speaks HTTPS, and the request came in plain HTTP";
    refuseOnSocket(plain, new MeshError("bad-request", message, { hint: "Begin the URL with https://." }));
  }
}
