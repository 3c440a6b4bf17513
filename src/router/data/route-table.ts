import type { Cidr } from "../../packet/cidr.ts";
import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import { HOLE, PrefixTrie } from "../../packet/prefix-trie.ts";

/** In a way: the internet is reached by the peer as by an exit. */
const BY_EXIT = 1 << 16;
const INDEX_MASK = BY_EXIT - 1;

/** Whose an address is. A way is a peer's index, marked where the peer is the exit to it; negative for nobody's. */
export class RouteTable {
  readonly #trie = new PrefixTrie();
  #reserved: readonly Cidr[] = [];

  /** The way to the address at `offset`; `version` is 4 or 6. */
  lookup(buffer: PacketBuffer, offset: number, version: number): number {
    return this.#trie.lookup(buffer, offset, version);
  }

  /** The latest peer to be given a prefix has it. */
  allow({ address, prefixBits }: Cidr, peer: number, byExit: boolean): void {
    this.#trie.insert(address, prefixBits, byExit ? peer | BY_EXIT : peer);
  }

  /** Unless another peer has got the prefix since. */
  disallow({ address, prefixBits }: Cidr, peer: number): void {
    const way = this.#trie.get(address, prefixBits);
    if (way < 0 || peerOf(way) !== peer) return;
    this.#trie.remove(address, prefixBits);
    this.#reserve();
  }

  removePeer(peer: number): void {
    this.#trie.removeValue(peer);
    this.#trie.removeValue(peer | BY_EXIT);
    this.#reserve();
  }

  /** Addresses in these are nobody's, but for what peers have of them. */
  reserve(prefixes: readonly Cidr[]): void {
    for (const { address, prefixBits } of this.#reserved)
      if (this.#trie.get(address, prefixBits) === HOLE) this.#trie.remove(address, prefixBits);
    this.#reserved = prefixes;
    this.#reserve();
  }

  #reserve(): void {
    for (const { address, prefixBits } of this.#reserved)
      if (this.#trie.get(address, prefixBits) < 0) this.#trie.insert(address, prefixBits, HOLE);
  }
}

/** Of a way that is somebody's. */
export function peerOf(way: number): number {
  return way & INDEX_MASK;
}

export function isByExit(way: number): boolean {
  return way >= BY_EXIT;
}
