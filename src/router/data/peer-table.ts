import type { Endpoint } from "../../packet/endpoint.ts";
import { EndpointRecord } from "../../transports/endpoint-record.ts";
import { MAX_PATHS } from "../shared/path-cells.ts";
import { PathSize } from "./path-size.ts";
import { Stage } from "./staging.ts";

/** One way to a peer, by its number among that peer's paths. */
export class DataPath {
  readonly number: number;
  readonly endpoint = new EndpointRecord();
  readonly size: PathSize;

  constructor(number: number, endpoint: Endpoint, mtuBytes: number) {
    this.number = number;
    this.size = new PathSize(mtuBytes);
    this.endpoint.set(endpoint);
  }
}

/**
 * What the data thread knows of a peer beside its sessions. A stock WireGuard peer has one endpoint, which follows where
 * it answers from; the paths of one of ours are chosen by the control thread, and what arrives never changes the choice.
 */
export class DataPeer {
  readonly index: number;
  /** Whether the control thread chooses the paths. */
  readonly hasPaths: boolean;
  /** Where messages go; unset until the first handshake, or while no path is chosen. */
  endpoint: EndpointRecord;
  /** What is carried there. */
  size: PathSize;
  /** The path behind `endpoint`, and a second one that gets every message as well. */
  primary: DataPath | undefined;
  second: DataPath | undefined;
  readonly stage = new Stage();
  /** When the control thread was last asked for a handshake, `Clock.monotonicMs`. */
  handshakeAskedAtMs = Number.NEGATIVE_INFINITY;
  /** When a packet was last sent, `Clock.monotonicMs`. */
  packetSentAtMs = Number.NEGATIVE_INFINITY;
  /** When it was last told of an address that is on no path, `Clock.monotonicMs`. */
  strangerToldAtMs = Number.NEGATIVE_INFINITY;
  readonly #none = new EndpointRecord();
  /** The interface's, which holds where no path is chosen. */
  readonly #wholeSize: PathSize;
  readonly #paths: (DataPath | undefined)[] = new Array(MAX_PATHS).fill(undefined);

  constructor(index: number, hasPaths: boolean, mtuBytes: number) {
    this.index = index;
    this.hasPaths = hasPaths;
    this.endpoint = this.#none;
    this.#wholeSize = new PathSize(mtuBytes);
    this.size = this.#wholeSize;
  }

  setPath(number: number, endpoint: Endpoint): void {
    if (number >= MAX_PATHS) return;
    const path = this.#paths[number];
    if (path === undefined) this.#paths[number] = new DataPath(number, endpoint, this.#wholeSize.mtuBytes);
    else path.endpoint.set(endpoint);
  }

  /** The second path takes over where the one in use goes. */
  removePath(number: number): void {
    const path = this.#paths[number];
    if (path === undefined) return;
    this.#paths[number] = undefined;
    if (this.second === path) this.second = undefined;
    if (this.primary === path) this.use(this.second?.number, undefined);
  }

  use(primary: number | undefined, second: number | undefined): void {
    this.primary = primary === undefined ? undefined : this.#paths[primary];
    this.second = second === undefined ? undefined : this.#paths[second];
    this.endpoint = this.primary?.endpoint ?? this.#none;
    this.size = this.primary?.size ?? this.#wholeSize;
  }

  forgetSources(): void {
    this.endpoint.clearSource();
    for (const path of this.#paths) path?.endpoint.clearSource();
  }

  path(number: number): DataPath | undefined {
    return this.#paths[number];
  }

  /** The path whose other end is `source`. */
  pathOf(source: EndpointRecord): DataPath | undefined {
    const { primary, second } = this;
    if (primary?.endpoint.isSameRemote(source)) return primary;
    if (second?.endpoint.isSameRemote(source)) return second;
    for (const path of this.#paths) if (path?.endpoint.isSameRemote(source)) return path;
    return undefined;
  }
}

/** Peers by the engine's index. */
export class PeerTable {
  readonly #mtuBytes: number;
  readonly #peers: (DataPeer | undefined)[] = [];

  /** @param mtuBytes the interface's */
  constructor(mtuBytes: number) {
    this.#mtuBytes = mtuBytes;
  }

  get(index: number): DataPeer | undefined {
    return this.#peers[index];
  }

  add(index: number, hasPaths: boolean): DataPeer {
    const peer = new DataPeer(index, hasPaths, this.#mtuBytes);
    while (this.#peers.length <= index) this.#peers.push(undefined);
    this.#peers[index] = peer;
    return peer;
  }

  forgetSources(): void {
    for (const peer of this.#peers) peer?.forgetSources();
  }

  remove(index: number): DataPeer | undefined {
    const peer = this.#peers[index];
    if (peer !== undefined) this.#peers[index] = undefined;
    return peer;
  }
}
