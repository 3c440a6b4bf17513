import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import type { RelayLimits } from "../../../src/relay/limits.ts";
import type { RelayPeer, RelayPolicy } from "../../../src/relay/policy.ts";
import { Relay } from "../../../src/relay/relay.ts";
import type { PipeHandlers } from "../../../src/transports/pipe/pipe-transport.ts";
import type { RelayClientLimits } from "../../../src/transports/relay/limits.ts";
import { RelayClient } from "../../../src/transports/relay/relay-client.ts";
import type { ConnectRelay } from "../../../src/transports/relay/relay-connection.ts";
import { RawRelayClient } from "./raw-relay-client.ts";

export const NETWORK_ID = "3b1f7c1e-7a0d-4d0e-9b0a-2f6f5f1f9d11";
export const RELAY_ID = "relay-under-test";

interface PublicKeys {
  readonly machineKey: string;
  readonly wireguardKey: string;
}

/** Everybody may exchange with everybody, but for those that were separated or removed. */
export class TestPolicy implements RelayPolicy {
  #peers = new Map<string, RelayPeer>();
  #separated = new Set<string>();
  #listeners = new Set<() => void>();

  add(name: string): PeerKeys {
    const keys = PeerKeys.generate();
    this.addKeys(name, keys);
    return keys;
  }

  addKeys(name: string, { machineKey, wireguardKey }: PublicKeys): void {
    this.#peers.set(machineKey, { name, wireguardKey });
  }

  removeKeys({ machineKey }: PublicKeys): void {
    this.#peers.delete(machineKey);
    this.#changed();
  }

  separate(a: PublicKeys, b: PublicKeys): void {
    this.#separated.add(pair(a.wireguardKey, b.wireguardKey));
    this.#changed();
  }

  join(a: PublicKeys, b: PublicKeys): void {
    this.#separated.delete(pair(a.wireguardKey, b.wireguardKey));
    this.#changed();
  }

  identify(machineKey: string): RelayPeer | undefined {
    return this.#peers.get(machineKey);
  }

  mayExchange(a: string, b: string): boolean {
    return a !== b && !this.#separated.has(pair(a, b));
  }

  onPolicyChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function pair(a: string, b: string): string {
  return [a, b].sort().join(" ");
}

/** A relay behind a real HTTP server on a free port of the loopback. */
export class RelayFixture implements AsyncDisposable {
  readonly policy = new TestPolicy();
  readonly clients: TestClient[] = [];
  #raw: RawRelayClient[] = [];
  #limits: Partial<RelayLimits>;
  #sockets = new Set<Duplex>();
  #server = createServer();
  #port = 0;
  #relay: Relay | undefined;

  private constructor(limits: Partial<RelayLimits>) {
    this.#limits = limits;
  }

  static async start(limits: Partial<RelayLimits> = {}): Promise<RelayFixture> {
    const fixture = new RelayFixture(limits);
    await fixture.startAgain();
    return fixture;
  }

  get relay(): Relay {
    if (this.#relay === undefined) throw new Error("the relay is stopped");
    return this.#relay;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** On the same port. */
  async startAgain(): Promise<void> {
    const deps = { policy: this.policy, clock: systemClock, logger: silentLogger };
    const relay = new Relay({ networkId: NETWORK_ID, relayId: RELAY_ID, limits: this.#limits }, deps);
    this.#relay = relay;
    this.#server = createServer();
    this.#server.on("upgrade", (request, socket, head) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      relay.handleUpgrade(request, socket, head, "127.0.0.1");
    });
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Ends every connection without a word. */
  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const relay = this.relay;
    this.#relay = undefined;
    const isClosed = once(this.#server, "close");
    this.#server.close();
    await relay.close();
    this.#server.closeAllConnections();
    await isClosed;
  }

  client(keys: PeerKeys, options: TestClientOptions = {}): TestClient {
    const client = new TestClient(keys, this.url, options.connect ?? loopbackDial(this.#port), options);
    this.clients.push(client);
    return client;
  }

  /** A client that can misbehave, before its authentication. */
  raw(options: object = {}): RawRelayClient {
    const client = new RawRelayClient(this.url, options);
    this.#raw.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) await client.transport.close();
    for (const client of this.#raw) client.webSocket.terminate();
    if (this.#relay !== undefined) await this.stop();
  }
}

interface TestClientOptions {
  readonly relayId?: string;
  readonly limits?: Partial<RelayClientLimits>;
  /** In place of its own. */
  readonly handlers?: PipeHandlers;
  /** In place of the direct way. */
  readonly connect?: ConnectRelay;
}

interface Received {
  readonly from: string;
  readonly datagram: Buffer;
}

/** A real client, and what it was told. */
export class TestClient {
  readonly keys: PeerKeys;
  readonly received: Received[] = [];
  readonly changes: { readonly peer: string; readonly isOpen: boolean }[] = [];
  readonly transport: RelayClient;
  onDatagram: (from: string, datagram: Uint8Array) => void;

  constructor(keys: PeerKeys, url: string, dial: ConnectRelay, options: TestClientOptions) {
    this.keys = keys;
    this.onDatagram = (from, datagram) => this.received.push({ from, datagram: Buffer.from(datagram) });
    this.transport = new RelayClient(
      { url, networkId: NETWORK_ID, relayId: options.relayId ?? RELAY_ID, keys },
      options.handlers ?? {
        onDatagram: (from, datagram) => this.onDatagram(from, datagram),
        onChange: (peer) => this.changes.push({ peer, isOpen: this.transport.isOpenTo(peer) }),
      },
      {
        connect: dial,
        clock: systemClock,
        logger: silentLogger,
        limits: { firstRetryMs: 20, lastRetryMs: 100, ...options.limits },
      },
    );
  }

  get key(): string {
    return this.keys.wireguardKey;
  }

  get isConnected(): boolean {
    return this.transport.state.connected;
  }

  send(to: TestClient | PeerKeys, datagram: string | Uint8Array): boolean {
    const key = to instanceof PeerKeys ? to.wireguardKey : to.key;
    return this.transport.send(key, typeof datagram === "string" ? Buffer.from(datagram) : datagram);
  }

  /** Datagrams as text, with the sender's key. */
  get texts(): readonly string[] {
    return this.received.map(({ datagram }) => datagram.toString());
  }
}

/** Plain TCP to a port of the loopback. */
export function loopbackDial(port: number): ConnectRelay {
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, noDelay: true, signal });
      socket.once("error", reject);
      socket.once("connect", () => resolve(socket));
    });
}
