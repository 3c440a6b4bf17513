import { checksumOf, copyBytes, sumBytes } from "./checksum.ts";
import type { MessageRun } from "./message-run.ts";
import { PacketBuffer } from "./packet-buffer.ts";
import type { PacketRecord } from "./packet-record.ts";

const MORE_FRAGMENTS = 0x2000;
/** An option that goes into every fragment (RFC 791 §3.1). */
const IS_COPIED = 0x80;
const END_OF_OPTIONS = 0;
const NO_OPERATION = 1;

/**
 * Cuts IPv4 packets without DF into fragments (RFC 791 §3.2), laid straight into a `MessageRun`: as a router does, and no
 * matter whether the underlay would carry fragments. A fragment is cut again where it must be.
 */
export class Ipv4Fragmenter {
  #frame = new PacketBuffer(0);
  #offset = 0;
  #headerBytes = 0;
  #dataBytes = 0;
  /** Data of every fragment but the last: a multiple of 8. */
  #pieceBytes = 0;
  /** Of the packet itself, where it is a fragment already. */
  #fragmentOffset = 0;
  #moreFragments = false;
  #at = 0;

  /** False when not even 8 bytes of data fit beside the header. */
  begin(frame: PacketBuffer, packet: PacketRecord, mtuBytes: number): boolean {
    const { offset, ipHeaderBytes, totalBytes, fragmentOffset, moreFragments } = packet;
    this.#frame = frame;
    this.#offset = offset;
    this.#headerBytes = ipHeaderBytes;
    this.#dataBytes = totalBytes - ipHeaderBytes;
    this.#pieceBytes = (mtuBytes - ipHeaderBytes) & ~7;
    this.#fragmentOffset = fragmentOffset;
    this.#moreFragments = moreFragments;
    this.#at = 0;
    return this.#pieceBytes >= 8;
  }

  /** Appends fragments to `run`. True when all are laid; false when `run` must be flushed and `fill` called again. */
  fill(run: MessageRun): boolean {
    while (this.#at < this.#dataBytes) {
      const bytes = Math.min(this.#pieceBytes, this.#dataBytes - this.#at);
      const target = run.reserve(this.#headerBytes + bytes);
      if (target < 0) return false;
      this.#write(run.buffer, target, bytes);
      this.#at += bytes;
    }
    return true;
  }

  #write(target: PacketBuffer, at: number, bytes: number): void {
    const headerBytes = this.#headerBytes;
    copyBytes(this.#frame, this.#offset, target, at, headerBytes);
    copyBytes(this.#frame, this.#offset + headerBytes + this.#at, target, at + headerBytes, bytes);
    const { view } = target;
    const isLast = this.#at + bytes === this.#dataBytes && !this.#moreFragments;
    view.setUint16(at + 2, headerBytes + bytes);
    view.setUint16(at + 6, (isLast ? 0 : MORE_FRAGMENTS) | ((this.#fragmentOffset + this.#at) >> 3));
    if (this.#at > 0) blankOptions(target.bytes, at + 20, at + headerBytes);
    view.setUint16(at + 10, 0);
    view.setUint16(at + 10, checksumOf(sumBytes(target, at, headerBytes, 0)), true);
  }
}

/** Makes NOPs of the options between `at` and `end` that stand in the first fragment only. */
function blankOptions(bytes: Uint8Array, at: number, end: number): void {
  for (let i = at; i < end && bytes[i] !== END_OF_OPTIONS; ) {
    const type = bytes[i]!;
    const optionBytes = type === NO_OPERATION ? 1 : Math.max(2, bytes[i + 1] ?? 0);
    const next = Math.min(end, i + optionBytes);
    if ((type & IS_COPIED) === 0) bytes.fill(NO_OPERATION, i, next);
    i = next;
  }
}
