import { randomFillSync } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { systemClock } from "../../src/base/clock.ts";
import type { UdpEndpoint } from "../../src/packet/endpoint.ts";
import { WireGuardNode, type WireGuardNodeOptions } from "./wireguard-node.ts";

const MAX_TIMER_MS = 1000;

/** A `WireGuardNode` on a real UDP socket and the system's clock. */
export class WireGuardHarness implements AsyncDisposable {
  readonly node: WireGuardNode;
  readonly datagramSizes: number[] = [];
  #socket: Socket;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(socket: Socket, options: WireGuardNodeOptions) {
    this.#socket = socket;
    this.node = new WireGuardNode(options, {
      nowMs: systemClock.monotonicMs,
      wallMs: systemClock.wallMs,
      random: (bytes) => randomFillSync(bytes),
      send: (bytes, { address, port }) => this.#socket.send(bytes, port, address),
    });
    this.#listen();
    this.#arm();
  }

  static async start(address: string, options: WireGuardNodeOptions): Promise<WireGuardHarness> {
    return new WireGuardHarness(await bindAnyPort(address), options);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Goes on from another port, as after a change of NAT mapping. */
  async rebind(): Promise<void> {
    const former = this.#socket;
    this.#socket = await bindAnyPort(former.address().address);
    this.#listen();
    former.close();
  }

  sendRaw(bytes: Uint8Array, { address, port }: UdpEndpoint): void {
    this.#socket.send(bytes, port, address);
  }

  send(peer: number, payload: Uint8Array): void {
    this.node.send(peer, payload);
    this.#arm();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.node.sessions.clear();
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #listen(): void {
    this.#socket.on("message", (bytes, { address, port }) => {
      this.datagramSizes.push(bytes.length);
      this.node.receive(bytes, { address, port });
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    const waitMs = this.node.device.nextDeadlineMs() - systemClock.monotonicMs();
    this.#timer = setTimeout(
      () => {
        this.node.tick();
        this.#arm();
      },
      Math.min(Math.max(0, waitMs), MAX_TIMER_MS),
    );
  }
}

async function bindAnyPort(address: string): Promise<Socket> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.bind(0, address);
  await once(socket, "listening");
  return socket;
}
