import { sign } from "node:crypto";
import { WebSocket } from "ws";
import type { RelayMessage } from "../../../src/api/relay.ts";
import type { TestKeys } from "../coordinator-client.ts";

/**
 * A relay's client made of nothing but Node and `ws`: a second reading of the protocol, which can misbehave where a test
 * wants it to.
 */
export class RawRelayClient {
  readonly webSocket: WebSocket;
  readonly messages: RelayMessage[] = [];
  readonly frames: Buffer[] = [];
  pongs = 0;
  closeCode: number | undefined;
  #waiters = new Set<() => void>();

  constructor(url: string, options: object = {}) {
    const address = `${url.replace(/^http/, "ws")}/v1/relay`;
    this.webSocket = new WebSocket(address, { perMessageDeflate: false, ...options });
    this.webSocket.on("message", (data, isBinary) => {
      if (isBinary) this.frames.push(data as Buffer);
      else this.messages.push(JSON.parse(data.toString()));
      this.#wake();
    });
    this.webSocket.on("pong", () => {
      this.pongs++;
      this.#wake();
    });
    this.webSocket.on("error", () => {});
    this.webSocket.on("close", (code) => {
      this.closeCode = code;
      this.#wake();
    });
  }

  get rejection(): string | undefined {
    const rejected = this.messages.find((message) => message.type === "rejected");
    return rejected?.type === "rejected" ? rejected.error.code : undefined;
  }

  async hello(): Promise<Extract<RelayMessage, { type: "hello" }>> {
    await this.until("hello", () => this.messages.length > 0);
    const first = this.messages[0];
    if (first?.type !== "hello") throw new Error(`the first message is ${first?.type}`);
    return first;
  }

  /** The right answer to `hello`, but for what `spoil` changes. */
  async authenticate(keys: Pick<TestKeys, "machine" | "machineKey">, spoil: object = {}): Promise<object> {
    const { nonce, networkId, relayId } = await this.hello();
    const { machineKey, machine } = keys;
    const answer = {
      type: "authenticate",
      protocol: { min: 1, max: 1 },
      machineKey,
      proof: sign(null, rawTranscript([networkId, relayId, nonce, machineKey]), machine).toString("base64"),
      softwareVersion: "test",
      ...spoil,
    };
    this.send(answer);
    return answer;
  }

  async welcomed(): Promise<void> {
    await this.until("the welcome", () => this.messages.some(({ type }) => type === "welcome"));
  }

  send(message: unknown): void {
    this.webSocket.send(JSON.stringify(message));
  }

  /** One datagram frame, as its bytes stand in the protocol's text. */
  sendFrame(to: string, datagram: Uint8Array, type = 1): void {
    this.webSocket.send(Buffer.concat([Buffer.from([type]), Buffer.from(to, "base64"), datagram]));
  }

  untilClosed(): Promise<void> {
    return this.until("the connection's end", () => this.closeCode !== undefined);
  }

  /** Waits until `condition` holds, looking again after each message and at the close. */
  async until(what: string, condition: () => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiters.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}

function rawTranscript(fields: readonly string[]): Buffer {
  return Buffer.from(["mesh relay v1", ...fields].map((field) => `${Buffer.byteLength(field)}:${field}`).join(","));
}
