import type { PacketBuffer } from "../packet/packet-buffer.ts";
import type { PacketRecord } from "../packet/packet-record.ts";

/** What the filter says of one packet. `reject` drops it too, and tells the sender. */
export const Verdict = { accept: 0, drop: 1, reject: 2 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/**
 * A filter made ready for the packet path, which asks it once a packet (for a superpacket: once). `packet` stands in
 * `buffer`, parsed; `peer` is the small integer of the peer at the other end.
 */
export interface CompiledFilter {
  outbound(buffer: PacketBuffer, packet: PacketRecord, peer: number, nowMs: number): Verdict;
  inbound(buffer: PacketBuffer, packet: PacketRecord, peer: number, nowMs: number): Verdict;
}

export const acceptAll: CompiledFilter = {
  outbound: () => Verdict.accept,
  inbound: () => Verdict.accept,
};
