import { createServer, type Server, type Socket } from "node:net";
import { type Dial, openTcp, type SocketTarget } from "../../../host/tcp.ts";

/** Of all answers together: descriptions and SOAP are small. */
const MAX_ANSWER_BYTES = 512 * 1024;
const MAX_CONNECTIONS = 8;
/** An answer that sends the caller elsewhere; it must not follow. */
const REDIRECTION = /^HTTP\/1\.\d 3/;
const STATUS_BYTES = 10;

/**
 * A door on the loopback that leads to one port of the gateway and nowhere else: for HTTP clients that open sockets of their
 * own. What goes through it is sent as all that goes to the underlay, ends with `signal`, and is bounded.
 */
export class GatewayDoor implements Disposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #leftBytes = MAX_ANSWER_BYTES;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(target: SocketTarget, dial: Dial, signal: AbortSignal): Promise<GatewayDoor> {
    const server = createServer({ allowHalfOpen: true });
    const door = new GatewayDoor(server);
    server.maxConnections = MAX_CONNECTIONS;
    server.on("connection", (socket) => void door.#lead(socket, target, dial, signal));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    server.unref();
    signal.addEventListener("abort", () => door[Symbol.dispose](), { once: true });
    return door;
  }

  /** `http://127.0.0.1:PORT` */
  get origin(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #lead(caller: Socket, target: SocketTarget, dial: Dial, signal: AbortSignal): Promise<void> {
    this.#keep(caller);
    try {
      const gateway = await openTcp(dial, target, signal);
      this.#keep(gateway);
      gateway.once("close", () => caller.destroy());
      caller.once("close", () => gateway.destroy());
      caller.pipe(gateway);
      this.#admit(gateway, caller);
    } catch {
      caller.destroy();
    }
  }

  #admit(gateway: Socket, caller: Socket): void {
    let head = "";
    gateway.on("data", (bytes) => {
      this.#leftBytes -= bytes.length;
      if (head.length < STATUS_BYTES) head += bytes.toString("latin1", 0, STATUS_BYTES);
      if (this.#leftBytes < 0 || REDIRECTION.test(head)) gateway.destroy();
      else caller.write(bytes);
    });
    gateway.once("end", () => caller.end());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
  }
}
