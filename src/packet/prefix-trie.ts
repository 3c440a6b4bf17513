import type { Cidr } from "./cidr.ts";
import type { PacketBuffer } from "./packet-buffer.ts";

/** A node looks at four bits of the address at once. */
const SLOTS = 16;
/** Per node: 16 links, then 16 results. */
const NODE_CELLS = 2 * SLOTS;
/** Prefixes that end in a node, as a heap: prefix of 1 to 4 bits `p` of length `n` stands at `2^n + p`. */
const OWN_CELLS = 32;
const KEY_BYTES = 16;
const MAX_DEPTH = 32;
/** A link is `node * 64 + depth of that node`: the walk then needs no second load for the depth. */
const DEPTH_BITS = 6;
const DEPTH_MASK = (1 << DEPTH_BITS) - 1;
const ROOT_V4 = 0;
const ROOT_V6 = 1;
const NO_VALUE = -1;

/** The value of a prefix that is nobody's: a hole in a wider one. Lookups give it as it is, which is negative as well. */
export const HOLE = -2;

/**
 * Longest-prefix match over IPv4 and IPv6: a path-compressed trie with four bits a level, in typed arrays. A lookup reads
 * the address where it stands in a packet and allocates nothing. Values are integers ≥ 0, or `HOLE`.
 *
 * Cells hold `value + 1`, so that fresh (zero) memory means "none". A node at depth d decides by nibble d of the address,
 * and holds the prefixes of 4 d + 1 to 4 d + 4 bits; the results of its 16 slots are these prefixes expanded. Depths that
 * decide nothing have no node: the key of the node below says what the skipped nibbles must be.
 */
export class PrefixTrie {
  #cells = new Int32Array(16 * NODE_CELLS);
  #own = new Int32Array(16 * OWN_CELLS);
  #keys = new Uint8Array(16 * KEY_BYTES);
  #keyView = new DataView(this.#keys.buffer);
  #depths = new Uint8Array(16);
  #isV6 = new Uint8Array(16);
  #isUsed = new Uint8Array(16);
  #nodeCount = 2;
  #freeNodes: number[] = [];
  #defaultV4 = 0;
  #defaultV6 = 0;
  #size = 0;
  readonly #path = new Int32Array(MAX_DEPTH);

  constructor() {
    this.#isUsed[ROOT_V4] = 1;
    this.#isUsed[ROOT_V6] = 1;
    this.#isV6[ROOT_V6] = 1;
  }

  /** How many prefixes there are. */
  get size(): number {
    return this.#size;
  }

  /** Nodes in use: the two roots and what the prefixes need. */
  get nodeCount(): number {
    return this.#nodeCount - this.#freeNodes.length;
  }

  /** The value of the most specific prefix that covers the address at `offset`; without one negative. `version` is 4 or 6. */
  lookup(buffer: PacketBuffer, offset: number, version: number): number {
    const bytes = buffer.bytes;
    const cells = this.#cells;
    let node = ROOT_V4;
    let best = this.#defaultV4;
    if (version === 6) {
      node = ROOT_V6;
      best = this.#defaultV6;
    }
    let depth = 0;
    for (;;) {
      const byte = bytes[offset + (depth >> 1)]!;
      const cell = node * NODE_CELLS + ((depth & 1) === 0 ? byte >> 4 : byte & 15);
      const result = cells[cell + SLOTS]!;
      if (result !== 0) best = result;
      const link = cells[cell]!;
      if (link === 0) return best - 1;
      const childDepth = link & DEPTH_MASK;
      node = link >> DEPTH_BITS;
      if (childDepth > depth + 1 && !this.#keyMatches(node, buffer.view, offset, depth + 1, childDepth))
        return best - 1;
      depth = childDepth;
    }
  }

  /**
   * Gives the prefix (`address` of 4 or 16 bytes, its length in bits) to `value`; returns the value that it had before,
   * or −1. The latest insertion wins: that is how a prefix moves from one peer to another. Host bits are ignored.
   */
  insert(address: Uint8Array, prefixBits: number, value: number): number {
    const before = this.#exchange(address, prefixBits, value + 1);
    if (before === 0) this.#size++;
    return before - 1;
  }

  /** Removes exactly this prefix; returns its value or −1. */
  remove(address: Uint8Array, prefixBits: number): number {
    if (this.get(address, prefixBits) === NO_VALUE) return NO_VALUE;
    this.#size--;
    return this.#exchange(address, prefixBits, 0) - 1;
  }

  /** The value of exactly this prefix, or −1. */
  get(address: Uint8Array, prefixBits: number): number {
    if (prefixBits === 0) return (address.length === 4 ? this.#defaultV4 : this.#defaultV6) - 1;
    const node = this.#walk(address, lastDepth(prefixBits), false);
    return node < 0 ? NO_VALUE : this.#own[node * OWN_CELLS + heapIndex(address, prefixBits)]! - 1;
  }

  /** Removes every prefix of `value`; returns how many there were. */
  removeValue(value: number): number {
    const doomed = [...this.prefixes()].filter((prefix) => prefix.value === value);
    for (const { cidr } of doomed) this.remove(cidr.address, cidr.prefixBits);
    return doomed.length;
  }

  /** Every prefix with its value, holes apart, in no particular order. */
  *prefixes(): Generator<{ readonly cidr: Cidr; readonly value: number }, void, undefined> {
    if (this.#defaultV4 > 0) yield { cidr: { address: new Uint8Array(4), prefixBits: 0 }, value: this.#defaultV4 - 1 };
    if (this.#defaultV6 > 0) yield { cidr: { address: new Uint8Array(16), prefixBits: 0 }, value: this.#defaultV6 - 1 };
    for (let node = 0; node < this.#nodeCount; node++) {
      if (this.#isUsed[node] === 0) continue;
      for (let heap = 2; heap < OWN_CELLS; heap++) {
        const stored = this.#own[node * OWN_CELLS + heap]!;
        if (stored > 0) yield { cidr: this.#cidrAt(node, heap), value: stored - 1 };
      }
    }
  }

  #cidrAt(node: number, heap: number): Cidr {
    const depth = this.#depths[node]!;
    const bits = 31 - Math.clz32(heap);
    const nibble = (heap << (4 - bits)) & 15;
    const address = this.#keys.slice(node * KEY_BYTES, node * KEY_BYTES + (this.#isV6[node] === 1 ? 16 : 4));
    // The key of a node may go on behind its depth with bits of whatever prefix made it.
    for (let d = depth; d < address.length * 2; d++) setNibble(address, d, d === depth ? nibble : 0);
    return { address, prefixBits: 4 * depth + bits };
  }

  /** Stores `value + 1`, or 0 to remove, and returns what stood there. */
  #exchange(address: Uint8Array, prefixBits: number, stored: number): number {
    if (prefixBits === 0) {
      const isV4 = address.length === 4;
      const before = isV4 ? this.#defaultV4 : this.#defaultV6;
      if (isV4) this.#defaultV4 = stored;
      else this.#defaultV6 = stored;
      return before;
    }
    const node = this.#walk(address, lastDepth(prefixBits), true);
    const heap = heapIndex(address, prefixBits);
    const before = this.#own[node * OWN_CELLS + heap]!;
    this.#own[node * OWN_CELLS + heap] = stored;
    this.#expand(node, heap);
    if (stored === 0) this.#prune(node, address);
    return before;
  }

  /** Recomputes the results of the slots that the prefix at `heap` covers: the longest of the node's prefixes wins. */
  #expand(node: number, heap: number): void {
    const bits = 31 - Math.clz32(heap);
    const first = (heap << (4 - bits)) & 15;
    for (let slot = first; slot < first + (1 << (4 - bits)); slot++) {
      let result = 0;
      for (let n = 4; n > 0 && result === 0; n--) {
        result = this.#own[node * OWN_CELLS + ((1 << n) | (slot >> (4 - n)))]!;
      }
      this.#cells[node * NODE_CELLS + SLOTS + slot] = result;
    }
  }

  /**
   * Finds the node at `depth` on the way of `address`, or makes it (`create`); −1 when there is none. `#path` then holds
   * the nodes above it, ended by the node itself.
   */
  #walk(address: Uint8Array, depth: number, create: boolean): number {
    let node = address.length === 4 ? ROOT_V4 : ROOT_V6;
    let at = 0;
    let steps = 0;
    this.#path[steps++] = node;
    while (at < depth) {
      const cell = node * NODE_CELLS + nibbleOf(address, 0, at);
      const link = this.#cells[cell]!;
      const child = link >> DEPTH_BITS;
      const childDepth = link & DEPTH_MASK;
      const fork = link === 0 ? depth : this.#firstDifference(child, address, at + 1, Math.min(childDepth, depth));
      if (link !== 0 && fork === childDepth) {
        node = child;
      } else {
        if (!create) return -1;
        node = this.#createNode(address, fork);
        // Creating may have moved the arrays, hence `this.#cells` again.
        this.#cells[cell] = (node << DEPTH_BITS) | fork;
        if (link !== 0) this.#cells[node * NODE_CELLS + nibbleOf(this.#keys, child * KEY_BYTES, fork)] = link;
      }
      at = fork;
      this.#path[steps++] = node;
    }
    return node;
  }

  /** The first depth from `from` on, below `to`, where the node's key and the address differ; else `to`. */
  #firstDifference(node: number, address: Uint8Array, from: number, to: number): number {
    let depth = from;
    while (depth < to && nibbleOf(this.#keys, node * KEY_BYTES, depth) === nibbleOf(address, 0, depth)) depth++;
    return depth;
  }

  /** True when the address at `offset` agrees with the node's key in the nibbles from `from` to before `to`. */
  #keyMatches(node: number, view: DataView, offset: number, from: number, to: number): boolean {
    for (let first = from & -8; first < to; first += 8) {
      const at = first >> 1;
      let difference = this.#keyView.getInt32(node * KEY_BYTES + at) ^ view.getInt32(offset + at);
      if (from > first) difference &= -1 >>> (4 * (from - first));
      if (to < first + 8) difference &= ~(-1 >>> (4 * (to - first)));
      if (difference !== 0) return false;
    }
    return true;
  }

  /** Takes out `node` (the last of `#path`) when it decides nothing any more, and its parent when that then does not. */
  #prune(node: number, address: Uint8Array): void {
    let steps = 0;
    while (this.#path[steps] !== node) steps++;
    for (; steps > 0; steps--) {
      const current = this.#path[steps]!;
      const remaining = this.#soleLink(current);
      if (remaining < 0) return;
      const parent = this.#path[steps - 1]!;
      this.#cells[parent * NODE_CELLS + nibbleOf(address, 0, this.#depths[parent]!)] = remaining;
      this.#freeNode(current);
    }
  }

  /** A node without prefixes of its own: its only link, or 0 when it has none. −1 when the node must stay. */
  #soleLink(node: number): number {
    for (let heap = 2; heap < OWN_CELLS; heap++) {
      if (this.#own[node * OWN_CELLS + heap] !== 0) return -1;
    }
    let sole = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      const link = this.#cells[node * NODE_CELLS + slot]!;
      if (link === 0) continue;
      if (sole !== 0) return -1;
      sole = link;
    }
    return sole;
  }

  #createNode(address: Uint8Array, depth: number): number {
    const node = this.#freeNodes.pop() ?? this.#nodeCount++;
    if (node === this.#depths.length) this.#grow();
    this.#keys.fill(0, node * KEY_BYTES, (node + 1) * KEY_BYTES);
    this.#keys.set(address, node * KEY_BYTES);
    this.#depths[node] = depth;
    this.#isV6[node] = address.length === 4 ? 0 : 1;
    this.#isUsed[node] = 1;
    return node;
  }

  #freeNode(node: number): void {
    this.#cells.fill(0, node * NODE_CELLS, (node + 1) * NODE_CELLS);
    this.#isUsed[node] = 0;
    this.#freeNodes.push(node);
  }

  #grow(): void {
    const capacity = this.#depths.length * 2;
    this.#cells = grown(this.#cells, new Int32Array(capacity * NODE_CELLS));
    this.#own = grown(this.#own, new Int32Array(capacity * OWN_CELLS));
    this.#keys = grown(this.#keys, new Uint8Array(capacity * KEY_BYTES));
    this.#keyView = new DataView(this.#keys.buffer);
    this.#depths = grown(this.#depths, new Uint8Array(capacity));
    this.#isV6 = grown(this.#isV6, new Uint8Array(capacity));
    this.#isUsed = grown(this.#isUsed, new Uint8Array(capacity));
  }
}

function grown<T extends Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** The depth of the node that holds prefixes of this length (≥ 1). */
function lastDepth(prefixBits: number): number {
  return (prefixBits - 1) >> 2;
}

function heapIndex(address: Uint8Array, prefixBits: number): number {
  const depth = lastDepth(prefixBits);
  const bits = prefixBits - 4 * depth;
  return (1 << bits) | (nibbleOf(address, 0, depth) >> (4 - bits));
}

function nibbleOf(bytes: Uint8Array, offset: number, depth: number): number {
  const byte = bytes[offset + (depth >> 1)]!;
  return (depth & 1) === 0 ? byte >> 4 : byte & 15;
}

function setNibble(bytes: Uint8Array, depth: number, nibble: number): void {
  const byte = bytes[depth >> 1]!;
  bytes[depth >> 1] = (depth & 1) === 0 ? (nibble << 4) | (byte & 15) : (byte & 0xf0) | nibble;
}
