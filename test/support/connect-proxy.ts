import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";

export interface ConnectProxyOptions {
  /** `USER:PASSWORD`; without it anybody may. */
  readonly credentials?: string;
  /** What it sends in place of an answer to CONNECT; an empty text: nothing, and it waits. */
  readonly answer?: string | Buffer;
}

/**
 * An HTTP proxy that knows CONNECT and nothing else, on a free port of the loopback. Whatever name is asked for, it connects
 * to the loopback: the names in a test exist for the proxy only.
 */
export class ConnectProxy implements AsyncDisposable {
  readonly port: number;
  /** Targets of the tunnels that were opened, `HOST:PORT`. */
  readonly tunnels: string[] = [];
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets: Set<Socket>;

  private constructor(server: ReturnType<typeof createServer>, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const server = createServer();
    const sockets = new Set<Socket>();
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.once("close", () => sockets.delete(socket));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new ConnectProxy(server, sockets);
    server.on("connect", (request, client) => proxy.#connect(request, client, options));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  #connect(request: IncomingMessage, client: Duplex, { credentials, answer }: ConnectProxyOptions): void {
    const wanted = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString("base64")}`;
    if (request.headers["proxy-authorization"] !== wanted) {
      client.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=test\r\n\r\n");
      return;
    }
    if (answer !== undefined) {
      if (answer.length > 0) client.end(answer);
      return;
    }
    this.tunnels.push(request.url ?? "");
    const upstream = connect({ host: "127.0.0.1", port: Number(new URL(`http://${request.url}`).port) });
    this.#sockets.add(upstream);
    upstream.on("error", () => client.destroy());
    client.once("close", () => upstream.destroy());
    upstream.once("close", () => {
      this.#sockets.delete(upstream);
      client.destroy();
    });
    upstream.once("connect", () => {
      client.write("HTTP/1.1 200 Connection established\r\nX-Proxy: test\r\n\r\n");
      client.pipe(upstream);
      upstream.pipe(client);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isClosed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await isClosed;
  }
}
