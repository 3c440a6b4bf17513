import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Logger } from "../../base/logger.ts";
import { drained } from "../drained.ts";
import { isServed, listenOnUnixSocket } from "../unix-socket.ts";
import { type UapiDevice, type UapiRequest, UapiRequestReader, uapiDump } from "./uapi-text.ts";

/** Where `wg` looks for interfaces that no kernel driver serves. */
const UAPI_DIRECTORY = "/var/run/wireguard";
/** `wg` prints the message of the negated number. */
const EPERM_REPLY = "errno=-1\n\n";
const EPROTO_REPLY = "errno=-71\n\n";

/**
 * Serves `wg show`: read-only, for the coordinator rules the keys. Only one process can serve an interface's name; a name that
 * is taken already gives undefined.
 */
export class UapiServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
  }

  static socketPath(interfaceName: string): string {
    return join(UAPI_DIRECTORY, `${interfaceName}.sock`);
  }

  static async open(
    path: string,
    device: () => UapiDevice,
    deps: { readonly logger: Logger },
  ): Promise<UapiServer | undefined> {
    if (await isServed(path)) return undefined;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      // A client that hangs up in the middle of a dump is its own affair.
      socket.on("error", (failure) => deps.logger.debug({ failure }, "a UAPI client broke off"));
      void serve(socket, device);
    });
    if (!(await listenOnUnixSocket(server, path, deps.logger))) return undefined;
    return new UapiServer(server, sockets);
  }

  /** Closing removes the socket's file. */
  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function serve(socket: Socket, device: () => UapiDevice): Promise<void> {
  socket.setEncoding("latin1");
  const reader = new UapiRequestReader();
  try {
    for await (const text of socket) {
      for (const request of reader.push(String(text))) await answer(socket, request, device);
    }
  } catch {
    // A broken or overlong request ends this one connection.
    socket.destroy();
  }
}

async function answer(socket: Socket, request: UapiRequest, device: () => UapiDevice): Promise<void> {
  if (request === "set") socket.write(EPERM_REPLY);
  else if (request === "unknown") socket.write(EPROTO_REPLY);
  else {
    for (const chunk of uapiDump(device())) {
      if (!socket.write(chunk)) await drained(socket);
      if (socket.destroyed) return;
    }
  }
}
