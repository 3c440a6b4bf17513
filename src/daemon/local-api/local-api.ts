import { createServer, type ServerResponse } from "node:http";
import { ERROR_CODES } from "../../base/error-codes.ts";
import { asMeshError, errnoOf, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { quote } from "../../base/quote.ts";
import { GracefulServer, type ServerLimits } from "../../web/graceful-server.ts";
import { listenOnUnixSocket } from "../unix-socket.ts";
import { authorize } from "./access.ts";
import { Connections } from "./connections.ts";
import { type Exchange, sendJson } from "./exchange.ts";
import { methodsOf, routeOf } from "./routes.ts";
import type { LocalApiTarget } from "./target.ts";

/** Everybody may connect; who may do what is decided for each request. */
const SOCKET_MODE = 0o666;
const MAX_HEADER_BYTES = 8 * 1024;

export interface LocalApiLimits extends ServerLimits {
  /** How often requests that take too long to come are looked for. */
  readonly checkIntervalMs: number;
}

const LIMITS: LocalApiLimits = { requestTimeoutMs: 10_000, drainMs: 200, checkIntervalMs: 2_000 };

export interface LocalApiDeps {
  readonly logger: Logger;
  /** The group of this host whose members may do what `Access` says; asked at each request. */
  readonly group: () => string | null;
}

/** HTTP on a Unix socket, for root, the daemon's own user, and what others may. Contract: `docs/local-api.md`. */
export class LocalApi implements AsyncDisposable {
  readonly #server: GracefulServer;

  private constructor(server: GracefulServer) {
    this.#server = server;
  }

  /** @throws MeshError `already-running` where a live process serves the socket */
  static async open(
    path: string,
    target: LocalApiTarget,
    deps: LocalApiDeps,
    limits: LocalApiLimits = LIMITS,
  ): Promise<LocalApi> {
    const connections = new Connections(deps.logger);
    const server = createServer(
      { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: limits.checkIntervalMs },
      (request, response) => void handle({ request, response, target }, connections, deps),
    );
    server.on("connection", (socket) => connections.enter(socket));
    const graceful = new GracefulServer(server, limits, deps.logger);
    if (!(await listenOnUnixSocket(server, path, deps.logger, SOCKET_MODE))) {
      throw new MeshError("already-running", `another daemon serves ${path}`);
    }
    return new LocalApi(graceful);
  }

  /** Lets answers under way end, and hangs up on watchers. */
  close(): Promise<void> {
    return this.#server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function handle(exchange: Exchange, connections: Connections, { logger, group }: LocalApiDeps): Promise<void> {
  const { request, response } = exchange;
  const { socket } = request;
  const caller = connections.callerOf(socket);
  // Refused already, and told so.
  if (caller === undefined) return;
  // One answer a connection: nothing then keeps the server from closing.
  response.setHeader("connection", "close");
  try {
    const { method = "", url = "" } = request;
    const path = url.split("?")[0] ?? "";
    const route = routeOf(method, path);
    if (route === undefined) throw unanswered(path, response);
    authorize(caller, route.access, group());
    await route.handle(exchange);
  } catch (thrown) {
    // Who hung up in the middle of a request has nobody to tell.
    if (socket.destroyed && errnoOf(thrown) === "ECONNRESET") return;
    const error = asMeshError(thrown);
    if (error.code === "internal") logger.error({ err: thrown }, "a request to the local API failed");
    if (response.headersSent) response.end(`${JSON.stringify(error.toBody())}\n`);
    else sendJson(response, ERROR_CODES[error.code].http, error.toBody());
  }
}

/** Nothing is at this path, or what is there takes other methods: the answer then names them (RFC 9110, section 15.5.6). */
function unanswered(path: string, response: ServerResponse): MeshError {
  const methods = methodsOf(path);
  if (methods.length === 0) return new MeshError("not-found", `there is nothing at ${quote(path)}`);
  response.setHeader("allow", methods.join(", "));
  return new MeshError("method-not-allowed", `${quote(path)} answers to ${methods.join(", ")}`);
}
