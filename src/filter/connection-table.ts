import { type Flow, KEY_WORDS } from "./flow.ts";

/** Connections that are tracked at most. */
export const MAX_CONNECTIONS = 65_536;
/** An entry is a line of the processor's cache. */
const ENTRY_WORDS = 16;
const HASH = KEY_WORDS;
/** What stands in an entry behind its key. `expiresAt` is in seconds of the filter's clock. */
export const Entry = { expiresAt: HASH + 1, state: HASH + 2, generation: HASH + 3 } as const;

/** No entry stands further from where its hash wants it. */
const MAX_PROBES = 128;
/** Entries looked at to find room in a full table, and with every new connection to drop what has expired. */
const EVICTION_SCAN = 64;
const SWEEP_SCAN = 2;

/**
 * The connections that the filter tracks: open addressing with linear probing in one typed array, half of it free at least, so
 * that a look costs one or two lines of cache. Removing moves later entries up; there are no tombstones. An entry is named by
 * the index of its first word, which is good until the next `insert` or `remove`.
 */
export class ConnectionTable {
  readonly words: Int32Array;
  readonly #maxEntries: number;
  readonly #mask: number;
  #size = 0;
  #hand = 0;

  /** @param maxEntries a power of two */
  constructor(maxEntries: number = MAX_CONNECTIONS) {
    this.#maxEntries = maxEntries;
    this.#mask = 2 * maxEntries - 1;
    this.words = new Int32Array(2 * maxEntries * ENTRY_WORDS);
  }

  get size(): number {
    return this.#size;
  }

  /** The entry of the connection, or −1. */
  find(flow: Flow): number {
    const { words } = this;
    const { hash } = flow;
    for (let slot = hash >>> 1; ; slot++) {
      const entry = (slot & this.#mask) * ENTRY_WORDS;
      const stored = words[entry + HASH]!;
      if (stored === 0) return -1;
      if (stored === hash && this.#isKey(entry, flow.key)) return entry;
    }
  }

  #isKey(entry: number, key: Int32Array): boolean {
    const { words } = this;
    for (let i = 0; i < KEY_WORDS; i++) if (words[entry + i] !== key[i]) return false;
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
      const entry = ((home + probes) & this.#mask) * ENTRY_WORDS;
      if (words[entry + HASH] !== 0) continue;
      for (let i = 0; i < KEY_WORDS; i++) words[entry + i] = flow.key[i]!;
      words[entry + HASH] = flow.hash;
      words[entry + Entry.expiresAt] = 0;
      words[entry + Entry.state] = 0;
      words[entry + Entry.generation] = 0;
      this.#size++;
      return entry;
    }
    return -1;
  }

  remove(entry: number): void {
    const { words } = this;
    this.#size--;
    let hole = entry / ENTRY_WORDS;
    for (let slot = hole + 1; ; slot++) {
      const from = (slot & this.#mask) * ENTRY_WORDS;
      const hash = words[from + HASH]!;
      if (hash === 0) break;
      // It may move up when the hole is no further back than where its hash wants it.
      const distance = (slot - (hash >>> 1)) & this.#mask;
      if (distance < slot - hole) continue;
      words.copyWithin((hole & this.#mask) * ENTRY_WORDS, from, from + ENTRY_WORDS);
      hole = slot;
    }
    words[(hole & this.#mask) * ENTRY_WORDS + HASH] = 0;
  }

  /** Removes what has expired of the next few entries. */
  #sweep(entries: number, nowSeconds: number): void {
    for (let i = 0; i < entries; i++) {
      const entry = this.#hand * ENTRY_WORDS;
      // What moves up to its place is looked at in the next round.
      if (this.#isExpired(entry, nowSeconds)) this.remove(entry);
      this.#hand = (this.#hand + 1) & this.#mask;
    }
  }

  #makeRoom(nowSeconds: number, mayGo: (state: number) => boolean): boolean {
    const { words } = this;
    const from = this.#hand;
    this.#sweep(EVICTION_SCAN, nowSeconds);
    if (this.#size < this.#maxEntries) return true;
    for (let i = 0; i < EVICTION_SCAN; i++) {
      const entry = ((from + i) & this.#mask) * ENTRY_WORDS;
      if (words[entry + HASH] === 0 || !mayGo(words[entry + Entry.state]!)) continue;
      this.remove(entry);
      return true;
    }
    return false;
  }

  #isExpired(entry: number, nowSeconds: number): boolean {
    return this.words[entry + HASH] !== 0 && this.words[entry + Entry.expiresAt]! <= nowSeconds;
  }
}
