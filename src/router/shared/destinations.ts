import type { Cidr } from "../../packet/cidr.ts";
import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import type { PacketRecord } from "../../packet/packet-record.ts";
import { HOLE, PrefixTrie } from "../../packet/prefix-trie.ts";

/** Where packets from peers may be meant for. */
export interface AcceptedDestinations {
  /** This machine: an address of each family at most. */
  readonly own: readonly Uint8Array[];
  /** Networks to which this host forwards. */
  readonly forwarded: readonly Cidr[];
  /** Networks in these to which it does not, unless a narrower one of `forwarded` says so. */
  readonly spared: readonly Cidr[];
}

const FORWARDED = 0;

/**
 * What comes from a peer is for this machine, or for where it offers to forward to: a host that forwards for reasons of its own
 * is no router for peers. Nothing is refused before `use`.
 */
export class Destinations {
  #isAny = true;
  /** In the words of a packet: IPv4 takes one, IPv6 four. */
  readonly #own4 = new Int32Array(1);
  readonly #own6 = new Int32Array(4);
  #forwarded: PrefixTrie | undefined;

  use({ own, forwarded, spared }: AcceptedDestinations): void {
    this.#isAny = false;
    this.#own4.fill(0);
    this.#own6.fill(0);
    for (const address of own) {
      const view = new DataView(address.buffer, address.byteOffset, address.length);
      const words = address.length === 4 ? this.#own4 : this.#own6;
      for (let i = 0; i < words.length; i++) words[i] = view.getInt32(4 * i);
    }
    this.#forwarded = undefined;
    if (forwarded.length === 0) return;
    const trie = new PrefixTrie();
    for (const { address, prefixBits } of spared) trie.insert(address, prefixBits, HOLE);
    for (const { address, prefixBits } of forwarded) trie.insert(address, prefixBits, FORWARDED);
    this.#forwarded = trie;
  }

  /** `packet` stands in `buffer`, parsed. */
  accepts(buffer: PacketBuffer, packet: PacketRecord): boolean {
    if (this.#isAny || this.#isOwn(buffer.view, packet)) return true;
    const forwarded = this.#forwarded;
    return forwarded !== undefined && forwarded.lookup(buffer, packet.destinationOffset, packet.version) >= 0;
  }

  #isOwn(view: DataView, { version, destinationOffset: at }: PacketRecord): boolean {
    if (version === 4) return view.getInt32(at) === this.#own4[0];
    const own = this.#own6;
    return (
      view.getInt32(at + 12) === own[3] &&
      view.getInt32(at + 8) === own[2] &&
      view.getInt32(at + 4) === own[1] &&
      view.getInt32(at) === own[0]
    );
  }
}
