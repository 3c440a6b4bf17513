import { sign } from "node:crypto";
import { WebSocket } from "ws";
import { PROTOCOL_VERSIONS } from "../../src/api/protocol-version.ts";
import { controlTranscript } from "../../src/api/registration.ts";
import { type CoordinatorClient, makeKeys } from "../../test/support/coordinator-client.ts";
import type { MessageTally } from "./message-tally.ts";

/** As often as the daemon does. */
const PING_INTERVAL_MS = 15_000;
/** Longer than the head of a message up to its type. */
const HEAD_BYTES = 40;

/** A message, when it came. */
export interface Arrival {
  readonly atMs: number;
  readonly type: string;
  /** JSON text; whoever measures reads it later. */
  readonly data: Buffer;
}

/**
 * All of a peer that the coordinator sees: keys, proofs, a control channel with pings from both ends, endpoints. It keeps
 * no map, so that thousands of them fit into one process and a message is timed before anybody reads it.
 */
export class SimulatedPeer {
  readonly name: string;
  readonly cidr: string;
  readonly keys = makeKeys();
  readonly #number: number;
  readonly #tally: MessageTally;
  #socket: WebSocket | undefined;
  #pinging: NodeJS.Timeout | undefined;
  #watched: { readonly text: string; readonly found: (arrival: Arrival) => void } | undefined;
  #announced = 0;

  /** @param number from 0 on, no two alike */
  constructor(number: number, cidr: string, tally: MessageTally) {
    this.#number = number;
    this.name = `peer-${number}`;
    this.cidr = cidr;
    this.#tally = tally;
  }

  /** An address of its own on the loopback: the coordinator bounds what one address may ask for. */
  get address(): string {
    const host = this.#number + 2;
    return `127.1.${host >> 8}.${host & 255}`;
  }

  async register(client: CoordinatorClient, networkId: string, token: string): Promise<void> {
    const own = client.from(this.address);
    const answer = await own.send(await own.registerRequest(this.keys, this.name, token, networkId));
    if (answer.status !== 200) throw new Error(`${this.name} was not registered: ${answer.text}`);
  }

  /** Opens the control channel; done with the first map. */
  async connect(client: CoordinatorClient): Promise<void> {
    const url = `${client.url.replace(/^http/, "ws")}/v1/control`;
    const { address: localAddress } = this;
    // What thousands of peers do each on a machine of its own, one process does here: only what it must.
    const options = { perMessageDeflate: false, skipUTF8Validation: true, localAddress, ...client.tls };
    const socket = new WebSocket(url, options);
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("close", (code, reason) => {
        clearInterval(this.#pinging);
        reject(new Error(`${this.name}: the coordinator closed the channel: ${code} ${reason}`));
      });
      socket.on("message", (data: Buffer) => {
        const type = this.#receive(data);
        if (type === "hello") this.#authenticate(JSON.parse(data.toString()));
        else if (type === "map") resolve();
      });
    });
    this.#pinging = setInterval(() => socket.ping(), PING_INTERVAL_MS);
    this.announceEndpoint();
  }

  /** Tells endpoints that it has not told before. */
  announceEndpoint(): void {
    const port = 1024 + (this.#announced++ % 60_000);
    const host = this.#number + 2;
    const endpoints = [`192.0.2.7:${port}`, `[2001:db8::${host.toString(16)}]:51820`];
    this.#send({ type: "endpoints", listenPort: 51820, endpoints });
  }

  /** The next message in which `text` occurs. */
  arrivalOf(text: string): Promise<Arrival> {
    return new Promise((found) => {
      this.#watched = { text, found };
    });
  }

  /** Ends the channel, if there is one, as a machine that loses its network. */
  close(): void {
    clearInterval(this.#pinging);
    this.#socket?.on("error", () => undefined);
    this.#socket?.terminate();
  }

  #receive(data: Buffer): string {
    const type = /^\{"type":"([^"]+)"/.exec(data.toString("latin1", 0, HEAD_BYTES))?.[1] ?? "unknown";
    this.#tally.count(type, data.length);
    const watched = this.#watched;
    if (watched !== undefined && data.includes(watched.text)) {
      const atMs = performance.now();
      this.#watched = undefined;
      watched.found({ atMs, type, data });
    }
    return type;
  }

  #authenticate({ nonce, networkId }: { readonly nonce: string; readonly networkId: string }): void {
    const { machine, machineKey } = this.keys;
    const proof = sign(null, controlTranscript(networkId, nonce, machineKey), machine).toString("base64");
    this.#send({
      type: "authenticate",
      protocol: { ...PROTOCOL_VERSIONS },
      machineKey,
      proof,
      mapVersion: null,
      softwareVersion: "simulated",
    });
  }

  #send(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }
}
