import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { NETWORK_ID, RELAY_ID } from "./relay-fixture.ts";

/** A relay that does what a test tells it to: it says hello, and the rest is up to the test. */
export class FakeRelay implements AsyncDisposable {
  /** Connections so far. */
  readonly connections: WebSocket[] = [];
  readonly #http = createServer();
  readonly #webSockets: WebSocketServer;

  private constructor(behave: (webSocket: WebSocket) => void, autoPong: boolean) {
    this.#webSockets = new WebSocketServer({ server: this.#http, perMessageDeflate: false, autoPong });
    this.#webSockets.on("connection", (webSocket) => {
      this.connections.push(webSocket);
      webSocket.on("error", () => webSocket.terminate());
      const protocol = { min: 1, max: 1 };
      const nonce = Buffer.alloc(32, 1).toString("base64");
      webSocket.send(JSON.stringify({ type: "hello", nonce, networkId: NETWORK_ID, relayId: RELAY_ID, protocol }));
      webSocket.once("message", () => behave(webSocket));
    });
  }

  /** @param behave what follows on a client's `authenticate` */
  static async start(behave: (webSocket: WebSocket) => void, autoPong = true): Promise<FakeRelay> {
    const relay = new FakeRelay(behave, autoPong);
    relay.#http.listen(0, "127.0.0.1");
    await once(relay.#http, "listening");
    return relay;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const webSocket of this.connections) webSocket.terminate();
    this.#webSockets.close();
    const isClosed = once(this.#http, "close");
    this.#http.close();
    this.#http.closeAllConnections();
    await isClosed;
  }
}

export function welcome(webSocket: WebSocket): void {
  const message = { type: "welcome", protocolVersion: 1, observedAddress: "192.0.2.1", softwareVersion: "fake" };
  webSocket.send(JSON.stringify(message));
}
