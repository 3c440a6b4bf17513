import { buildIcmpError, type IcmpErrorKind, MAX_ICMP_ERROR_BYTES } from "../../packet/icmp.ts";
import { PacketBuffer } from "../../packet/packet-buffer.ts";
import type { PacketRecord } from "../../packet/packet-record.ts";
import type { FrameSink } from "../../tun/tun-device.ts";
import { clearVirtioHeader, VIRTIO_HEADER_BYTES } from "../../tun/virtio-header.ts";
import { answerBudget } from "./answer-budget.ts";

/** Tells the host why a packet goes nowhere, so that its programs fail at once instead of timing out. */
export class IcmpResponder {
  readonly #sink: FrameSink;
  readonly #buffer = new PacketBuffer((VIRTIO_HEADER_BYTES + MAX_ICMP_ERROR_BYTES + 3) & ~3);
  readonly #pieces = new Int32Array(2);
  readonly #from4 = new Uint8Array(4);
  readonly #from16 = new Uint8Array(16);
  readonly #budget = answerBudget();

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /**
   * Answers `packet`, which the host sent. The error seems to come from the packet's destination: from one of the host's
   * own addresses, the kernel would take it for a martian.
   */
  answer(buffer: PacketBuffer, packet: PacketRecord, kind: IcmpErrorKind, nowMs: number, mtuBytes: number): void {
    if (!this.#budget.take(nowMs)) return;
    const from = packet.version === 4 ? this.#from4 : this.#from16;
    for (let i = 0; i < from.length; i++) from[i] = buffer.bytes[packet.destinationOffset + i]!;
    clearVirtioHeader(this.#buffer, 0);
    const bytes = buildIcmpError(this.#buffer, VIRTIO_HEADER_BYTES, buffer, packet, kind, from, mtuBytes);
    if (bytes === 0) return;
    this.#pieces[1] = VIRTIO_HEADER_BYTES + bytes;
    this.#sink.writeFrame(this.#buffer, this.#pieces, 1);
  }
}
