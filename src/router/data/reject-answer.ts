import { buildIcmpError, MAX_ICMP_ERROR_BYTES } from "../../packet/icmp.ts";
import { PacketBuffer } from "../../packet/packet-buffer.ts";
import { IpProtocol, type PacketRecord } from "../../packet/packet-record.ts";
import { buildTcpReset } from "../../packet/tcp-reset.ts";
import type { FrameSink } from "../../tun/tun-device.ts";
import { clearVirtioHeader, VIRTIO_HEADER_BYTES } from "../../tun/virtio-header.ts";
import { answerBudget } from "./answer-budget.ts";

/** Tells senders that the filter rejects what they sent, so that their programs fail at once: a TCP reset, or an ICMP error. */
export class RejectAnswer {
  readonly buffer = new PacketBuffer((VIRTIO_HEADER_BYTES + MAX_ICMP_ERROR_BYTES + 3) & ~3);
  /** Where the answer stands in `buffer`; a virtio header has room before it. */
  readonly offset = VIRTIO_HEADER_BYTES;
  readonly #budget = answerBudget();
  readonly #pieces = new Int32Array(2);
  readonly #from4 = new Uint8Array(4);
  readonly #from16 = new Uint8Array(16);

  /** Makes the answer to `packet`, and returns its length: 0 when there is to be none. */
  build(buffer: PacketBuffer, packet: PacketRecord, nowMs: number): number {
    if (packet.isFragment || !this.#budget.take(nowMs)) return 0;
    if (packet.protocol === IpProtocol.tcp) return buildTcpReset(this.buffer, this.offset, buffer, packet);
    const from = packet.version === 4 ? this.#from4 : this.#from16;
    for (let i = 0; i < from.length; i++) from[i] = buffer.bytes[packet.destinationOffset + i]!;
    return buildIcmpError(this.buffer, this.offset, buffer, packet, "prohibited", from);
  }

  /** Answers our own host. */
  answer(host: FrameSink, buffer: PacketBuffer, packet: PacketRecord, nowMs: number): void {
    const bytes = this.build(buffer, packet, nowMs);
    if (bytes === 0) return;
    clearVirtioHeader(this.buffer, 0);
    this.#pieces[1] = VIRTIO_HEADER_BYTES + bytes;
    host.writeFrame(this.buffer, this.#pieces, 1);
  }
}
