import { createServer, type Server } from "node:http";
import { ERROR_CODES } from "../../base/error-codes.ts";
import { asMeshError, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { listenOnUnixSocket } from "../unix-socket.ts";
import { type Exchange, sendJson } from "./exchange.ts";
import { routeOf } from "./routes.ts";
import type { LocalApiTarget } from "./target.ts";

/** HTTP on a Unix socket that only root and the daemon's owner can connect to. Contract: `docs/local-api.md`. */
export class LocalApi implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws MeshError `already-running` where a live process serves the socket */
  static async open(path: string, target: LocalApiTarget, deps: { readonly logger: Logger }): Promise<LocalApi> {
    const server = createServer((request, response) => {
      void handle({ request, response, target }, deps.logger);
    });
    if (!(await listenOnUnixSocket(server, path, deps.logger))) {
      throw new MeshError("already-running", `another daemon serves ${path}`);
    }
    return new LocalApi(server);
  }

  /** Lets answers under way end, and hangs up on watchers. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), 200).unref();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function handle(exchange: Exchange, logger: Logger): Promise<void> {
  const { request, response } = exchange;
  // One answer a connection: nothing then keeps the server from closing.
  response.setHeader("connection", "close");
  try {
    const { method = "", url = "" } = request;
    const path = url.split("?")[0] ?? "";
    const route = routeOf(method, path);
    if (route === undefined) throw new MeshError("not-found", `there is no ${method} ${path}`);
    await route.handle(exchange);
  } catch (thrown) {
    const error = asMeshError(thrown);
    if (error.code === "internal") logger.error({ err: thrown }, "a request to the local API failed");
    if (response.headersSent) response.end(`${JSON.stringify(error.toBody())}\n`);
    else sendJson(response, ERROR_CODES[error.code].http, error.toBody());
  }
}
