import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { SourceQuota } from "../../base/source-quota.ts";
import type { Asker } from "../asker.ts";
import { udpLimitOf } from "../message/reply.ts";
import type { Responder } from "../responder.ts";
import { MAX_UDP_OF_PEER, MAX_UDP_OF_PEERS, MAX_UDP_UNDER_WAY, RECEIVE_BUFFER_BYTES } from "./constants.ts";

export interface ListenerOptions {
  readonly address: string;
  readonly port: number;
  readonly responder: Pick<Responder, "answer">;
  /** Undefined: an address that gets no answer. */
  readonly askerAt: (address: string) => Asker | undefined;
}

/** Answers DNS over UDP on one address. */
export class UdpListener implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #options: ListenerOptions;
  #underWay = 0;
  readonly #ofPeers = new SourceQuota(MAX_UDP_OF_PEERS, MAX_UDP_OF_PEER);

  private constructor(socket: Socket, options: ListenerOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("message", (bytes, { address, port }) => this.#receive(bytes, address, port));
    // What the kernel reports of one asker is no matter of the others'.
    socket.on("error", () => {});
  }

  /** Rejects with the system's error. */
  static open(options: ListenerOptions): Promise<UdpListener> {
    const { address, port } = options;
    const family = isIPv6(address) ? ({ type: "udp6", ipv6Only: true } as const) : ({ type: "udp4" } as const);
    const socket = createSocket({ ...family, recvBufferSize: RECEIVE_BUFFER_BYTES });
    return new Promise((resolve, reject) => {
      socket.once("error", (failure) => {
        socket.close();
        reject(failure);
      });
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeAllListeners("error");
        resolve(new UdpListener(socket, options));
      });
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  #receive(bytes: Buffer, address: string, port: number): void {
    const { askerAt, responder } = this.#options;
    const asker = askerAt(address);
    // An answer to port 0 goes nowhere.
    if (asker === undefined || port === 0 || this.#underWay >= MAX_UDP_UNDER_WAY) return;
    if (asker === "peer" && !this.#ofPeers.hasRoomFor(address)) return;
    const answer = responder.answer(bytes, asker, udpLimitOf);
    if (!(answer instanceof Promise)) {
      if (answer !== undefined) this.#send(answer, address, port);
      return;
    }
    this.#underWay++;
    const leave = asker === "peer" ? this.#ofPeers.enter(address) : () => {};
    void answer
      .then((reply) => reply && this.#send(reply, address, port))
      .finally(() => {
        this.#underWay--;
        leave();
      });
  }

  #send(answer: Buffer, address: string, port: number): void {
    try {
      this.#socket.send(answer, port, address, () => {});
    } catch {
      // The listener was closed meanwhile.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}
