import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import type { ReceivedRun } from "../../transports/datagram-transport.ts";
import { COOKIE_REPLY_BYTES, INITIATION_BYTES, MessageType, RESPONSE_BYTES } from "../../wireguard/constants.ts";
import type { Call } from "../shared/call.ts";
import type { UplinkClass } from "../shared/commands.ts";
import type { Counters } from "../shared/counters.ts";
import type { Inquiry } from "../shared/inquiry.ts";
import { ProbeFlag, type ProbeRecord } from "../shared/probe.ts";
import type { Uplink } from "../shared/uplink.ts";
import type { DataPath, DataPeer } from "./peer-table.ts";

/** RFC 8489 §5: the magic cookie, network order, at byte 4 of a header of 20. */
const STUN_COOKIE = 0x2112a442;
const STUN_COOKIE_OFFSET = 4;
const STUN_HEADER_BYTES = 20;

export interface TriageDeps {
  readonly counters: Counters;
  readonly uplink: Uplink;
  /** Whether MAC1 of a handshake message is right. Asked for messages of the right length only. */
  readonly hasValidMac1: (message: Uint8Array) => boolean;
}

/**
 * Sorts what came to the socket and is no data message: handshake, cookie reply, STUN. Each goes up in a bounded class
 * of its own. Cheapest question first, MAC1 last: a flood costs as little as can be.
 */
export class Triage {
  readonly #deps: TriageDeps;

  constructor(deps: TriageDeps) {
    this.#deps = deps;
  }

  /** To be asked first: a STUN success response also starts with 0x01, and a receiver index may equal the cookie. */
  isStun(buffer: PacketBuffer, offset: number, sizeBytes: number): boolean {
    return sizeBytes >= STUN_HEADER_BYTES && buffer.view.getUint32(offset + STUN_COOKIE_OFFSET) === STUN_COOKIE;
  }

  /** The datagram of `sizeBytes` bytes at `offset` of `received`. */
  take(received: ReceivedRun, offset: number, sizeBytes: number): void {
    const { buffer } = received;
    const uplinkClass = this.isStun(buffer, offset, sizeBytes) ? "stun" : handshakeClass(buffer, offset, sizeBytes);
    if (uplinkClass === undefined) {
      this.#deps.counters.drop("in-unknown-message");
      return;
    }
    if (!this.#deps.uplink.hasRoom(uplinkClass)) {
      this.#deps.counters.drop(`in-queue-full-${uplinkClass}`);
      return;
    }
    const bytes = new Uint8Array(buffer.bytes.subarray(offset, offset + sizeBytes));
    const carriesMac1 = uplinkClass === "initiation" || uplinkClass === "response";
    if (carriesMac1 && !this.#deps.hasValidMac1(bytes)) {
      this.#deps.counters.drop("in-bad-mac1");
      return;
    }
    const source = received.source.toReplyEndpoint();
    if (source === null) return;
    this.#deps.uplink.postBounded({ type: uplinkClass === "stun" ? "stun" : "datagram", bytes, source }, uplinkClass);
  }

  probeReply(peer: DataPeer, path: DataPath | undefined, probe: ProbeRecord, rttMs: number): void {
    if (!this.#hasRoomForProbe(peer)) return;
    const { id, sequence, data, large } = probe;
    this.#deps.uplink.postBounded(
      {
        type: "probe-reply",
        peer: peer.index,
        id,
        sequence,
        rttMs,
        endpoint: (path?.endpoint ?? peer.endpoint).toEndpoint(),
        path: path?.number ?? null,
        counts: (probe.flags & ProbeFlag.hasCounts) === 0 ? null : { rxData: data, rxLarge: large },
        isTheirPrimary: (probe.flags & ProbeFlag.isPrimary) !== 0,
        seenFrom: probe.seenFrom.toEndpoint(),
      },
      "probe",
    );
  }

  probeRequest(peer: DataPeer, path: DataPath, isTheirPrimary: boolean): void {
    if (!this.#hasRoomForProbe(peer)) return;
    const event = { type: "probe-request", peer: peer.index, path: path.number, isTheirPrimary } as const;
    this.#deps.uplink.postBounded(event, "probe");
  }

  call(peer: DataPeer, call: Call): void {
    if (!this.#deps.uplink.hasRoom("call")) this.#deps.counters.dropOf(peer.index, "in-queue-full-call");
    else this.#deps.uplink.postBounded({ type: "call", peer: peer.index, call }, "call");
  }

  inquiry(peer: DataPeer, inquiry: Inquiry): void {
    if (!this.#deps.uplink.hasRoom("inquiry")) this.#deps.counters.dropOf(peer.index, "in-queue-full-inquiry");
    else this.#deps.uplink.postBounded({ type: "inquiry", peer: peer.index, inquiry }, "inquiry");
  }

  #hasRoomForProbe(peer: DataPeer): boolean {
    const hasRoom = this.#deps.uplink.hasRoom("probe");
    if (!hasRoom) this.#deps.counters.dropOf(peer.index, "in-queue-full-probe");
    return hasRoom;
  }
}

/** The class of a WireGuard message that is no data message, by the full 32-bit type and the exact length. */
function handshakeClass(buffer: PacketBuffer, offset: number, sizeBytes: number): UplinkClass | undefined {
  if (sizeBytes < COOKIE_REPLY_BYTES) return undefined;
  const type = buffer.view.getUint32(offset, true);
  if (type === MessageType.initiation && sizeBytes === INITIATION_BYTES) return "initiation";
  if (type === MessageType.response && sizeBytes === RESPONSE_BYTES) return "response";
  if (type === MessageType.cookieReply && sizeBytes === COOKIE_REPLY_BYTES) return "cookie";
  return undefined;
}
