import { checksumOf, foldSum, swapBytes16 } from "./checksum.ts";
import type { PacketBuffer } from "./packet-buffer.ts";
import type { PacketRecord } from "./packet-record.ts";

const TCP_HEADER_BYTES = 20;
const TCP_CHECKSUM = 16;
/** RFC 9293 §3.2. */
const END_OF_OPTIONS = 0;
const NO_OPERATION = 1;
const MAXIMUM_SEGMENT_SIZE = 2;
const MSS_OPTION_BYTES = 4;
/** RFC 9293 §3.7.1: the MSS counts neither IP nor TCP header, and no options. */
const FIXED_HEADERS_BYTES = { 4: 20 + TCP_HEADER_BYTES, 6: 40 + TCP_HEADER_BYTES } as const;

/**
 * Lowers the MSS option of the SYN in `packet` to what packets of `mtuBytes` hold, in place; it is never raised.
 * `hasChecksum`: the TCP checksum is complete, and follows (RFC 1624). A packet without the option stays as it is: then the
 * MSS is small anyway.
 */
export function clampMss(buffer: PacketBuffer, packet: PacketRecord, mtuBytes: number, hasChecksum: boolean): void {
  if (!packet.hasTransport || packet.isFragment) return;
  const { bytes, view } = buffer;
  const mss = mtuBytes - FIXED_HEADERS_BYTES[packet.version === 4 ? 4 : 6];
  const end = packet.transportOffset + packet.transportHeaderBytes;
  for (let at = packet.transportOffset + TCP_HEADER_BYTES; at < end && bytes[at] !== END_OF_OPTIONS; ) {
    if (bytes[at] === NO_OPERATION) {
      at++;
      continue;
    }
    const optionBytes = at + 1 < end ? bytes[at + 1]! : 0;
    if (optionBytes < 2 || at + optionBytes > end) return;
    if (bytes[at] === MAXIMUM_SEGMENT_SIZE && optionBytes === MSS_OPTION_BYTES) {
      const field = at + 2;
      const former = view.getUint16(field);
      if (former <= mss) return;
      view.setUint16(field, mss);
      if (hasChecksum) updateChecksum(buffer, packet.transportOffset, field, former, mss);
      return;
    }
    at += optionBytes;
  }
}

/** RFC 1624, equation 3: HC' = ~(~HC + ~m + m'). An option at an odd place counts with its bytes swapped. */
function updateChecksum({ view }: PacketBuffer, tcp: number, field: number, former: number, now: number): void {
  const isOdd = ((field - tcp) & 1) === 1;
  const counted = (value: number) => (isOdd ? value : swapBytes16(value));
  const sum = (~view.getUint16(tcp + TCP_CHECKSUM, true) & 0xffff) + (~counted(former) & 0xffff) + counted(now);
  view.setUint16(tcp + TCP_CHECKSUM, checksumOf(foldSum(sum)), true);
}
