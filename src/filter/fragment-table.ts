import type { PacketBuffer } from "../packet/packet-buffer.ts";
import type { PacketRecord } from "../packet/packet-record.ts";

/** A power of two. */
const ENTRIES = 512;
const ENTRY_WORDS = 16;
const KEY_WORDS = 10;
const FAR_ADDRESS = 4;
const IDENTIFICATION = 8;
const REST = 9;
const DATA_END = 10;
const EXPIRES_AT = 11;
/** Whoever puts them together waits no longer (Linux: `ipfrag_time`). */
const LIFETIME_SECONDS = 30;

/**
 * First fragments that were let through, so that their others are: these have no ports to be judged by. A place for each hash,
 * the latest one has it.
 */
export class FragmentTable {
  readonly #words = new Int32Array(ENTRIES * ENTRY_WORDS);
  readonly #key = new Int32Array(KEY_WORDS);

  /** Notes that the first fragment at hand was let through, or (`isAdmitted` false) was not. */
  note(
    buffer: PacketBuffer,
    packet: PacketRecord,
    peer: number,
    isOutbound: boolean,
    nowSeconds: number,
    isAdmitted: boolean,
  ): void {
    const entry = this.#place(buffer, packet, peer, isOutbound);
    if (!isAdmitted) {
      if (this.#isOurs(entry)) this.#words[entry + EXPIRES_AT] = 0;
      return;
    }
    for (let i = 0; i < KEY_WORDS; i++) this.#words[entry + i] = this.#key[i]!;
    this.#words[entry + DATA_END] = packet.offset + packet.totalBytes - packet.fragmentDataOffset;
    this.#words[entry + EXPIRES_AT] = nowSeconds + LIFETIME_SECONDS;
  }

  /** Whether the later fragment at hand belongs to an admitted first one, and does not lie over it (RFC 1858, RFC 5722). */
  admits(buffer: PacketBuffer, packet: PacketRecord, peer: number, isOutbound: boolean, nowSeconds: number): boolean {
    const entry = this.#place(buffer, packet, peer, isOutbound);
    return (
      this.#isOurs(entry) &&
      this.#words[entry + EXPIRES_AT]! > nowSeconds &&
      packet.fragmentOffset >= this.#words[entry + DATA_END]!
    );
  }

  /** Makes the key and returns where it belongs. */
  #place(buffer: PacketBuffer, packet: PacketRecord, peer: number, isOutbound: boolean): number {
    const key = this.#key;
    const { view } = buffer;
    const { sourceOffset, destinationOffset, version } = packet;
    const words = version === 6 ? 4 : 1;
    // The kernel of RFC 8200 §4.5 goes by addresses and identification alone, that of RFC 791 by the protocol as well.
    const protocol = version === 6 ? 256 : packet.protocol;
    key[IDENTIFICATION] = packet.identification;
    key[REST] = (peer << 10) | (isOutbound ? 512 : 0) | protocol;
    let hash = Math.imul(key[IDENTIFICATION]! ^ Math.imul(key[REST]!, 0x9e3779b1), 0x85ebca6b);
    for (let i = 0; i < 4; i++) {
      key[i] = i < words ? view.getInt32(sourceOffset + 4 * i) : 0;
      key[FAR_ADDRESS + i] = i < words ? view.getInt32(destinationOffset + 4 * i) : 0;
      hash = Math.imul(hash ^ key[i]! ^ Math.imul(key[FAR_ADDRESS + i]!, 0xc2b2ae35), 0x9e3779b1);
    }
    return ((hash >>> 16) & (ENTRIES - 1)) * ENTRY_WORDS;
  }

  #isOurs(entry: number): boolean {
    for (let i = 0; i < KEY_WORDS; i++) if (this.#words[entry + i] !== this.#key[i]) return false;
    return true;
  }
}
