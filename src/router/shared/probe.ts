import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import { EndpointRecord } from "../../transports/endpoint-record.ts";

/**
 * Probes travel as the payload of WireGuard data messages: sealed, counted and protected from replay by the session. The
 * first nibble is no IP version, so no probe can be taken for a packet, nor the other way round. Integers are in network
 * order; the stamp is the sender's own and comes back as it was.
 *
 *     | 0xf version 4 | type u8 | length u16 | id u32 | sequence u32 | flags u32 | stamp f64 |
 *       0               1         2            4        8              12          16          24
 *     | data u32 | large u32 | seen: port u16 | pad | address 16 |
 *       24         28          32              34    36           52
 *
 * `length` counts the whole probe; what stands behind it is padding. A reader takes the fields that it knows and skips
 * the rest, so fields may be added at the end, and ignores probes of a version or type that it does not know. In a reply,
 * `data` and `large` are how many data messages, and of these how many large ones, its sender has authenticated by the
 * path of the request, and `seen` is where the request came from: IPv4 as a v4-mapped IPv6 address, port 0 for a pipe.
 */
export const PROBE_BYTES = 52;
/** What every version has. */
const MIN_PROBE_BYTES = 24;
/** The first byte of what is no IP packet: the nibble that says so, and the version of what we say to each other. */
export const INNER_VERSION = (0xf << 4) | 1;

export const ProbeType = { echoRequest: 1, echoReply: 2 } as const;
export type ProbeType = (typeof ProbeType)[keyof typeof ProbeType];

export const ProbeFlag = {
  /** The sender's messages go by the path that this probe goes by. */
  isPrimary: 1,
  /** A reply: `data` and `large` are counted, the path being one of the sender's. */
  hasCounts: 2,
} as const;

/** The fields of a probe, reused. */
export class ProbeRecord {
  type = 0;
  id = 0;
  sequence = 0;
  flags = 0;
  /** Milliseconds on the clock of whoever sent the request. */
  stampMs = 0;
  data = 0;
  large = 0;
  /** Unset when it is unknown. */
  readonly seenFrom = new EndpointRecord();
}

/** Reads the probe in at most `sizeBytes` bytes at `offset`; false when it is none that we know. */
export function readProbe(buffer: PacketBuffer, offset: number, sizeBytes: number, out: ProbeRecord): boolean {
  if (sizeBytes < MIN_PROBE_BYTES) return false;
  const { view } = buffer;
  if (view.getUint8(offset) !== INNER_VERSION) return false;
  const length = view.getUint16(offset + 2);
  if (length < MIN_PROBE_BYTES || length > sizeBytes) return false;
  out.type = view.getUint8(offset + 1);
  out.id = view.getUint32(offset + 4);
  out.sequence = view.getUint32(offset + 8);
  out.flags = view.getUint32(offset + 12);
  out.stampMs = view.getFloat64(offset + 16);
  const isWhole = length >= PROBE_BYTES;
  out.data = isWhole ? view.getUint32(offset + 24) : 0;
  out.large = isWhole ? view.getUint32(offset + 28) : 0;
  if (isWhole && view.getUint16(offset + 32) !== 0)
    out.seenFrom.readMapped(view, offset + 36, view.getUint16(offset + 32));
  else out.seenFrom.clear();
  return out.type === ProbeType.echoRequest || out.type === ProbeType.echoReply;
}

/** Writes `probe` in `PROBE_BYTES` bytes at `offset`. */
export function writeProbe(buffer: PacketBuffer, offset: number, probe: ProbeRecord): void {
  const { view } = buffer;
  view.setUint8(offset, INNER_VERSION);
  view.setUint8(offset + 1, probe.type);
  view.setUint16(offset + 2, PROBE_BYTES);
  view.setUint32(offset + 4, probe.id);
  view.setUint32(offset + 8, probe.sequence);
  view.setUint32(offset + 12, probe.flags);
  view.setFloat64(offset + 16, probe.stampMs);
  view.setUint32(offset + 24, probe.data);
  view.setUint32(offset + 28, probe.large);
  view.setUint16(offset + 32, probe.seenFrom.port);
  view.setUint16(offset + 34, 0);
  probe.seenFrom.writeMapped(view, offset + 36);
}
