import { type Flow, KEY_WORDS } from "./flow.ts";

/** Connections that are tracked at most. */
export const MAX_CONNECTIONS = 65_536;
/** A line of the processor's cache, of which as much is used as stays within one where memory begins 16 bytes into it. */
const ENTRY_WORDS = 16;
/** What stands in an entry behind its key. `expiresAt` is in seconds of the filter's clock. */
export const Entry = { expiresAt: KEY_WORDS, state: KEY_WORDS + 1 } as const;

/** No entry stands further from where its hash wants it. */
const MAX_PROBES = 128;
/** Entries looked at to find room in a full table, and with every new connection to drop what has expired. */
const EVICTION_SCAN = 64;
const SWEEP_SCAN = 2;

/**
 * The connections that the filter tracks: open addressing with linear probing, half of the places free at least. Hashes stand
 * apart from the entries, so that a look costs one line of cache of each. Removing moves later entries up; there are no
 * tombstones. An entry is named by the index of its first word, which is good until the next `insert` or `remove`.
 */
export class ConnectionTable {
  readonly words: Int32Array;
  /** By place; 0 where it is free. */
  readonly #hashes: Int32Array;
  readonly #maxEntries: number;
  readonly #mask: number;
  #size = 0;
  #hand = 0;

  /** @param maxEntries a power of two */
  constructor(maxEntries: number = MAX_CONNECTIONS) {
    this.#maxEntries = maxEntries;
    this.#mask = 2 * maxEntries - 1;
    this.#hashes = new Int32Array(2 * maxEntries);
    this.words = new Int32Array(2 * maxEntries * ENTRY_WORDS);
  }

  get size(): number {
    return this.#size;
  }

  get memoryBytes(): number {
    return this.words.byteLength + this.#hashes.byteLength;
  }

  /** The entry of the connection, or −1. */
  find(flow: Flow): number {
    const hashes = this.#hashes;
    const mask = this.#mask;
    const { hash, key } = flow;
    for (let place = (hash >>> 1) & mask; ; place = (place + 1) & mask) {
      const stored = hashes[place]!;
      if (stored === 0) return -1;
      if (stored === hash && this.#isKey(place * ENTRY_WORDS, key)) return place * ENTRY_WORDS;
    }
  }

  #isKey(entry: number, key: Int32Array): boolean {
    const { words } = this;
    for (let i = 0; i < KEY_WORDS; i++) if (words[entry + i] !== key[i]) return false;
    return true;
  }

  /** Connections whose keys agree with the flow's under `mask`, and whose state `fits`. Looks at the whole table. */
  count(flow: Flow, mask: Int32Array, nowSeconds: number, fits: (state: number) => boolean): number {
    const { words } = this;
    let count = 0;
    for (let place = 0; place <= this.#mask; place++) {
      const entry = place * ENTRY_WORDS;
      if (this.#hashes[place] === 0 || words[entry + Entry.expiresAt]! <= nowSeconds) continue;
      if (this.#isLike(entry, flow.key, mask) && fits(words[entry + Entry.state]!)) count++;
    }
    return count;
  }

  #isLike(entry: number, key: Int32Array, mask: Int32Array): boolean {
    const { words } = this;
    for (let i = 0; i < KEY_WORDS; i++) if (((words[entry + i]! ^ key[i]!) & mask[i]!) !== 0) return false;
    return true;
  }

  /**
   * Makes an entry for a connection that has none; its other fields are 0. In a full table a connection goes that has expired,
   * or else one that `mayGo` says of (by its state) that it may. −1 when there is none.
   */
  insert(flow: Flow, nowSeconds: number, mayGo: (state: number) => boolean): number {
    this.#sweep(SWEEP_SCAN, nowSeconds);
    if (this.#size >= this.#maxEntries && !this.#makeRoom(nowSeconds, mayGo)) return -1;
    const { words } = this;
    const home = flow.hash >>> 1;
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      const place = (home + probes) & this.#mask;
      if (this.#hashes[place] !== 0) continue;
      this.#hashes[place] = flow.hash;
      const entry = place * ENTRY_WORDS;
      for (let i = 0; i < KEY_WORDS; i++) words[entry + i] = flow.key[i]!;
      words[entry + Entry.expiresAt] = 0;
      words[entry + Entry.state] = 0;
      this.#size++;
      return entry;
    }
    return -1;
  }

  remove(entry: number): void {
    const hashes = this.#hashes;
    const mask = this.#mask;
    this.#size--;
    let hole = entry / ENTRY_WORDS;
    for (let place = (hole + 1) & mask; hashes[place] !== 0; place = (place + 1) & mask) {
      // It may move up when the hole is no further back than where its hash wants it.
      const distance = (place - (hashes[place]! >>> 1)) & mask;
      if (distance < ((place - hole) & mask)) continue;
      hashes[hole] = hashes[place]!;
      this.words.copyWithin(hole * ENTRY_WORDS, place * ENTRY_WORDS, (place + 1) * ENTRY_WORDS);
      hole = place;
    }
    hashes[hole] = 0;
  }

  /** Removes what has expired of the next few entries. */
  #sweep(entries: number, nowSeconds: number): void {
    for (let i = 0; i < entries; i++) {
      // What moves up to its place is looked at in the next round.
      if (this.#isExpired(this.#hand, nowSeconds)) this.remove(this.#hand * ENTRY_WORDS);
      this.#hand = (this.#hand + 1) & this.#mask;
    }
  }

  #makeRoom(nowSeconds: number, mayGo: (state: number) => boolean): boolean {
    const { words } = this;
    const from = this.#hand;
    this.#sweep(EVICTION_SCAN, nowSeconds);
    if (this.#size < this.#maxEntries) return true;
    for (let i = 0; i < EVICTION_SCAN; i++) {
      const place = (from + i) & this.#mask;
      const entry = place * ENTRY_WORDS;
      if (this.#hashes[place] === 0 || !mayGo(words[entry + Entry.state]!)) continue;
      this.remove(entry);
      return true;
    }
    return false;
  }

  #isExpired(place: number, nowSeconds: number): boolean {
    return this.#hashes[place] !== 0 && this.words[place * ENTRY_WORDS + Entry.expiresAt]! <= nowSeconds;
  }
}
