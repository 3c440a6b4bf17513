import { EndpointRecord } from "../transports/endpoint-record.ts";
import { Stage } from "./staging.ts";

/** What the data thread knows of a peer beside its sessions. */
export class DataPeer {
  readonly index: number;
  /** Where it answered from last; unset until the first handshake. */
  readonly endpoint = new EndpointRecord();
  readonly stage = new Stage();
  /** When the control thread was last asked for a handshake, `Clock.monotonicMs`. */
  handshakeAskedAtMs = Number.NEGATIVE_INFINITY;

  constructor(index: number) {
    this.index = index;
  }
}

/** Peers by the engine's index. */
export class PeerTable {
  readonly #peers: (DataPeer | undefined)[] = [];

  get(index: number): DataPeer | undefined {
    return this.#peers[index];
  }

  add(index: number): DataPeer {
    const peer = new DataPeer(index);
    while (this.#peers.length <= index) this.#peers.push(undefined);
    this.#peers[index] = peer;
    return peer;
  }

  remove(index: number): DataPeer | undefined {
    const peer = this.#peers[index];
    if (peer !== undefined) this.#peers[index] = undefined;
    return peer;
  }
}
