import { MeshError } from "../base/errors.ts";
import type { EnginePeer } from "./peer.ts";
import type { PeerCells } from "./shared-state.ts";

/** The engine's peers by number and by key. Numbers index `PeerCells`. */
export class PeerRegistry implements Iterable<EnginePeer> {
  readonly #cells: PeerCells;
  readonly #byId = new Map<number, EnginePeer>();
  readonly #byKey = new Map<string, EnginePeer>();
  /** Removed, but with keypairs that the data thread still has: their numbers are not free yet. */
  readonly #leaving = new Set<EnginePeer>();
  readonly #freeIds: number[] = [];

  constructor(cells: PeerCells) {
    this.#cells = cells;
    for (let id = cells.count - 1; id >= 0; id--) this.#freeIds.push(id);
  }

  [Symbol.iterator](): Iterator<EnginePeer> {
    return this.#byId.values();
  }

  get(id: number): EnginePeer | undefined {
    return this.#byId.get(id);
  }

  byKey(publicKey: Uint8Array): EnginePeer | undefined {
    return this.#byKey.get(nameOf(publicKey));
  }

  /** Throws MeshError `bad-key` or, when no number is free, RangeError. */
  add(make: (id: number) => EnginePeer, publicKey: Uint8Array): EnginePeer {
    if (this.byKey(publicKey) !== undefined) throw new MeshError("bad-key", "this public key is a peer already");
    const id = this.#freeIds.pop();
    if (id === undefined) throw new RangeError(`no room for more than ${this.#cells.count} peers`);
    // Nobody writes these cells now: the number has no session.
    this.#cells.clear(id);
    const peer = make(id);
    this.#byId.set(id, peer);
    this.#byKey.set(nameOf(publicKey), peer);
    return peer;
  }

  remove(peer: EnginePeer): void {
    this.#byId.delete(peer.id);
    this.#byKey.delete(nameOf(peer.publicKey));
    this.#leaving.add(peer);
    this.release(peer);
  }

  /** Frees the number of a removed peer that has no sessions left. */
  release(peer: EnginePeer): void {
    if (peer.sessions.length > 0 || !this.#leaving.delete(peer)) return;
    this.#freeIds.push(peer.id);
  }
}

function nameOf(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString("base64");
}
