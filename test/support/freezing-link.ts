import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Dial } from "../../src/host/tcp.ts";

/** TCP connections to a port of the loopback that can be made to stand still, as when one end has moved away unheard. */
export class FreezingLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** How often somebody wanted to connect. */
  dials = 0;
  /** While set, nobody gets any further than that. */
  isDeaf = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    server.on("connection", (near) => {
      const far = connect({ host: "127.0.0.1", port });
      const pair = [near, far] as const;
      this.#pairs.add(pair);
      for (const [one, other] of [pair, [far, near] as const]) {
        one.on("data", (chunk) => other.write(chunk));
        one.on("error", () => one.destroy());
        one.once("close", () => {
          other.destroy();
          this.#pairs.delete(pair);
        });
      }
    });
  }

  static async to(port: number): Promise<FreezingLink> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FreezingLink(server, port);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  readonly dial: Dial = (_target, signal) => {
    this.dials++;
    if (!this.isDeaf) return connect({ host: "127.0.0.1", port: this.port });
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  };

  /** Connections of now carry nothing any more; later ones do. */
  freeze(): void {
    for (const pair of this.#pairs) {
      for (const socket of pair) {
        socket.removeAllListeners("data");
        socket.removeAllListeners("close");
        socket.pause();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [...this.#pairs].flat()) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
