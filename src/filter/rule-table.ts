import type { PacketBuffer } from "../packet/packet-buffer.ts";
import { PrefixTrie } from "../packet/prefix-trie.ts";
import type { PrefixSets, TableProgram } from "./program.ts";
import type { Verdict } from "./verdict.ts";

/** Looks up the set of an address. */
class PrefixLookup {
  readonly #trie: PrefixTrie | undefined;
  readonly #otherwise: number;

  constructor({ prefixes, otherwise }: PrefixSets) {
    this.#otherwise = otherwise;
    if (prefixes.length === 0) return;
    this.#trie = new PrefixTrie();
    for (const { address, prefixBits, set } of prefixes) this.#trie.insert(address, prefixBits, set);
  }

  lookup(buffer: PacketBuffer, offset: number, version: number): number {
    if (this.#trie === undefined) return this.#otherwise;
    const set = this.#trie.lookup(buffer, offset, version);
    return set < 0 ? this.#otherwise : set;
  }
}

/** The rules of one direction and one class of protocols, ready to be asked. */
export class RuleTable {
  readonly #program: TableProgram;
  readonly #sources: PrefixLookup;
  readonly #destinations: PrefixLookup;

  constructor(program: TableProgram) {
    this.#program = program;
    this.#sources = new PrefixLookup(program.sources);
    this.#destinations = new PrefixLookup(program.destinations);
  }

  /** The number of the rule that decides a connection between the addresses at these offsets, or −1. */
  decide(
    buffer: PacketBuffer,
    sourceOffset: number,
    destinationOffset: number,
    version: number,
    destinationPort: number,
    peer: number,
  ): number {
    const { sets, wordsPerSet, ports, anyPort, peers, anyPeer } = this.#program;
    const byPort = (ports === null ? anyPort : ports[destinationPort]!) * wordsPerSet;
    const byPeer = (peer < peers.length ? peers[peer]! : anyPeer) * wordsPerSet;
    const bySource = this.#sources.lookup(buffer, sourceOffset, version) * wordsPerSet;
    const byDestination = this.#destinations.lookup(buffer, destinationOffset, version) * wordsPerSet;
    for (let word = 0; word < wordsPerSet; word++) {
      const common = sets[byPort + word]! & sets[byPeer + word]! & sets[bySource + word]! & sets[byDestination + word]!;
      // The lowest bit that is set: x & −x has that one alone.
      if (common !== 0) return word * 32 + 31 - Math.clz32(common & -common);
    }
    return -1;
  }

  verdict(rule: number): Verdict {
    return this.#program.verdicts[rule] as Verdict;
  }

  slot(rule: number): number {
    return this.#program.slots[rule]!;
  }
}
