import { createServer, type Server, type Socket } from "node:net";
import { SourceQuota } from "../../base/source-quota.ts";
import type { Asker } from "../asker.ts";
import { MAX_MESSAGE_BYTES } from "../constants.ts";
import { TCP_LIMITS } from "./constants.ts";
import type { ListenerOptions } from "./udp-listener.ts";

/**
 * Answers DNS over TCP on one address (RFC 7766): any number of queries on a connection, each answered as soon as its answer
 * is there, whatever was asked first.
 */
export class TcpListener implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #ofPeers = new SourceQuota(TCP_LIMITS.connectionsOfPeers, TCP_LIMITS.connectionsOfPeer);

  private constructor(options: ListenerOptions) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const { remoteAddress = "" } = socket;
      const asker = options.askerAt(remoteAddress);
      const isRefused = asker === undefined || (asker === "peer" && !this.#ofPeers.hasRoomFor(remoteAddress));
      if (isRefused) {
        socket.destroy();
        return;
      }
      if (asker === "peer") socket.once("close", this.#ofPeers.enter(remoteAddress));
      this.#serve(socket, asker, options);
    });
    this.#server.maxConnections = TCP_LIMITS.connections;
  }

  /** Rejects with the system's error. */
  static open(options: ListenerOptions): Promise<TcpListener> {
    const listener = new TcpListener(options);
    const server = listener.#server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: options.address, port: options.port, ipv6Only: true }, () => {
        server.removeListener("error", reject);
        server.on("error", () => {});
        resolve(listener);
      });
    });
  }

  #serve(socket: Socket, asker: Asker, { responder }: ListenerOptions): void {
    this.#connections.add(socket);
    let received: Buffer = Buffer.alloc(0);
    let underWay = 0;
    let isEnded = false;
    const send = (answer: Buffer | undefined) => {
      underWay--;
      if (socket.destroyed) return;
      // What must not be answered has no place in a conversation either.
      if (answer === undefined || socket.writableLength > TCP_LIMITS.unreadBytes) socket.destroy();
      else socket.write(framed(answer));
    };
    const readOn = () => {
      while (underWay < TCP_LIMITS.underWay && received.length >= 2 && !socket.destroyed) {
        const size = received.readUInt16BE(0);
        if (size > TCP_LIMITS.queryBytes) socket.destroy();
        if (received.length < 2 + size) break;
        const query = Buffer.from(received.subarray(2, 2 + size));
        received = received.subarray(2 + size);
        underWay++;
        const answer = responder.answer(query, asker, () => MAX_MESSAGE_BYTES);
        if (!(answer instanceof Promise)) send(answer);
        else
          void answer.then((reply) => {
            send(reply);
            readOn();
          });
      }
      if (underWay < TCP_LIMITS.underWay) socket.resume();
      else socket.pause();
      if (isEnded && underWay === 0) socket.end();
    };
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      readOn();
    });
    // Who has asked all that it wants may say so and wait for the answers.
    socket.on("end", () => {
      isEnded = true;
      readOn();
    });
    socket.setTimeout(TCP_LIMITS.idleMs, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#connections.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }
}

/** RFC 1035 §4.2.2; in one write, so that it goes in one segment (RFC 7766 §8). */
function framed(message: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(2 + message.length);
  bytes.writeUInt16BE(message.length, 0);
  message.copy(bytes, 2);
  return bytes;
}
