import {
  encodeRelayFrame,
  RELAY_FRAME_HEADER_BYTES,
  RelayFrameType,
  relayFrameDatagram,
  relayFramePeer,
  relayFrameType,
} from "../../api/relay-frame.ts";
import { Backoff } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import type { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import {
  emptyPipeStats,
  MAX_PIPE_DATAGRAM_BYTES,
  type PipeHandlers,
  type PipeStats,
  type PipeTransport,
} from "../pipe/pipe-transport.ts";
import { DEFAULT_RELAY_CLIENT_LIMITS, type RelayClientLimits } from "./limits.ts";
import { type ConnectRelay, RelayConnection, type RelayConnectionOptions } from "./relay-connection.ts";

const KEY_BYTES = 32;

export interface RelayClientOptions extends Omit<RelayConnectionOptions, "limits"> {
  /** Where else the relay may be reached: tried in turn. */
  readonly otherUrls?: readonly string[];
}

export interface RelayClientDeps {
  readonly connect: ConnectRelay;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<RelayClientLimits>;
}

export interface RelayClientHandlers extends PipeHandlers {
  /** Connected, disconnected, or another round trip measured. */
  readonly onStateChange?: () => void;
}

export interface RelayClientState {
  /** The one in use or tried last. */
  readonly url: string;
  readonly connected: boolean;
  /** To the relay and back; null before the first measurement of a connection. */
  readonly rttMs: number | null;
  /** Why there is no connection; null while there is one, and before the first attempt has ended. */
  readonly error: MeshError | null;
}

interface Peer {
  readonly key: Buffer;
  /** The relay has told that it is not there. */
  isGone: boolean;
  wantedAtMs: number;
}

/**
 * Datagrams by way of one relay. It connects at once, and again for as long as it lives: a relay is the way that always
 * works, so it is kept ready. A way to a peer is open while the relay is connected and has not told that the peer is gone.
 */
export class RelayClient implements PipeTransport {
  readonly transport = "relay";
  readonly #options: RelayConnectionOptions;
  readonly #urls: readonly string[];
  readonly #handlers: RelayClientHandlers;
  readonly #deps: RelayClientDeps;
  readonly #stats: PipeStats = emptyPipeStats();
  readonly #backoff: Backoff;
  /** Those that a way was wanted to of late. */
  readonly #peers = new Map<string, Peer>();
  #connection: RelayConnection;
  #attempts = 0;
  #connectedAtMs = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #state: RelayClientState;

  constructor(options: RelayClientOptions, handlers: RelayClientHandlers, deps: RelayClientDeps) {
    const limits = { ...DEFAULT_RELAY_CLIENT_LIMITS, ...deps.limits };
    this.#options = { ...options, limits };
    this.#urls = [options.url, ...(options.otherUrls ?? [])];
    this.#handlers = handlers;
    this.#deps = deps;
    this.#backoff = new Backoff(limits.firstRetryMs, limits.lastRetryMs);
    this.#state = { url: options.url, connected: false, rttMs: null, error: null };
    this.#connection = this.#connect();
  }

  get stats(): Readonly<PipeStats> {
    return this.#stats;
  }

  get state(): RelayClientState {
    return this.#state;
  }

  isOpenTo(peer: string): boolean {
    return this.#connection.isOpen && this.#peers.get(peer)?.isGone !== true;
  }

  addressOf(peer: string): string | null {
    return this.isOpenTo(peer) ? this.#state.url : null;
  }

  want(peer: string): void {
    this.#peerOf(peer);
  }

  send(peer: string, datagram: Uint8Array): boolean {
    const entry = this.#peerOf(peer);
    const isSendable = datagram.length > 0 && datagram.length <= MAX_PIPE_DATAGRAM_BYTES;
    if (entry === undefined || entry.isGone || !isSendable || !this.#connection.isOpen) {
      this.#stats.droppedDatagrams++;
      return false;
    }
    return this.#connection.send(peer, encodeRelayFrame(RelayFrameType.datagram, entry.key, datagram));
  }

  /**
   * To be called when the host's network has changed: a connection has to prove within two seconds that it still lives,
   * and where there is none, or it is known to be lost, a new attempt begins at once.
   */
  checkNow({ isLost = false } = {}): void {
    if (this.#isClosed) return;
    this.#backoff.reset();
    if (this.#connection.isOpen && !isLost) {
      this.#connection.checkNow();
      return;
    }
    if (this.#connection.isOpen) this.#connection.giveUp("our address is gone");
    else void this.#connection.close();
    this.#retry();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    await this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #connect(): RelayConnection {
    const url = this.#urls[this.#attempts % this.#urls.length] as string;
    this.#state = { ...this.#state, url };
    return new RelayConnection(
      { ...this.#options, url },
      {
        onOpen: () => this.#onOpen(),
        onFrame: (frame) => this.#onFrame(frame),
        onSent: (sizeBytes) => {
          this.#stats.sentDatagrams++;
          this.#stats.sentBytes += sizeBytes - RELAY_FRAME_HEADER_BYTES;
        },
        onDropped: (frames) => {
          this.#stats.droppedDatagrams += frames;
        },
        onRoundTrip: (rttMs) => this.#setState({ rttMs }),
        onClosed: (failure) => this.#onClosed(failure),
      },
      this.#deps,
    );
  }

  #retry(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#connection = this.#connect();
  }

  #onOpen(): void {
    this.#connectedAtMs = this.#deps.clock.monotonicMs();
    this.#setState({ connected: true, error: null });
    this.#deps.logger.info({ url: this.#state.url }, "connected to the relay");
    for (const peer of this.#peers.keys()) this.#handlers.onChange(peer);
  }

  #onClosed(error: MeshError): void {
    const { limits } = this.#options;
    const { url } = this.#state;
    this.#attempts++;
    const nowMs = this.#deps.clock.monotonicMs();
    const wasConnected = this.#state.connected;
    if (wasConnected && nowMs - this.#connectedAtMs >= limits.goodConnectionMs) this.#backoff.reset();
    const delayMs = this.#backoff.nextMs();
    this.#retryTimer = setTimeout(() => this.#retry(), delayMs);
    this.#deps.logger.warn({ code: error.code, url, retryInMs: Math.round(delayMs) }, `no relay: ${error.message}`);
    this.#setState({ connected: false, rttMs: null, error });
    for (const [peer, entry] of this.#peers) {
      entry.isGone = false;
      if (nowMs - entry.wantedAtMs > limits.forgetPeerMs) this.#peers.delete(peer);
      if (wasConnected) this.#handlers.onChange(peer);
    }
  }

  #onFrame(frame: Buffer): void {
    const type = relayFrameType(frame);
    if (type === undefined) {
      this.#stats.malformedFrames++;
      return;
    }
    const peer = relayFramePeer(frame);
    if (type !== RelayFrameType.datagram) {
      this.#setGone(peer, type === RelayFrameType.gone);
      return;
    }
    // Who sends is there.
    this.#setGone(peer, false);
    const datagram = relayFrameDatagram(frame);
    this.#stats.receivedDatagrams++;
    this.#stats.receivedBytes += datagram.length;
    this.#handlers.onDatagram(peer, datagram);
  }

  #setGone(peer: string, isGone: boolean): void {
    const entry = this.#peers.get(peer);
    if (entry === undefined || entry.isGone === isGone) return;
    entry.isGone = isGone;
    this.#handlers.onChange(peer);
  }

  /** Undefined for what is no key. */
  #peerOf(peer: string): Peer | undefined {
    const wantedAtMs = this.#deps.clock.monotonicMs();
    const known = this.#peers.get(peer);
    if (known !== undefined) {
      known.wantedAtMs = wantedAtMs;
      return known;
    }
    const key = Buffer.from(peer, "base64");
    if (key.length !== KEY_BYTES) return undefined;
    const entry = { key, isGone: false, wantedAtMs };
    this.#peers.set(peer, entry);
    return entry;
  }

  #setState(change: Partial<RelayClientState>): void {
    this.#state = { ...this.#state, ...change };
    this.#handlers.onStateChange?.();
  }
}
