import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import {
  type DatagramTransport,
  emptyTransportStats,
  MAX_RECEIVE_BYTES,
  type ReceivedRun,
  SendOutcome,
  type TransportStats,
} from "../datagram-transport.ts";
import type { EndpointRecord } from "../endpoint-record.ts";
import type { PipeRing } from "./pipe-ring.ts";
import { MAX_PIPE_DATAGRAM_BYTES } from "./pipe-transport.ts";

export interface PipeEndRings {
  /** To the thread that has the pipes. */
  readonly outbound: PipeRing;
  readonly inbound: PipeRing;
  /** Tells the other thread that there is something in `outbound`. */
  readonly notify: () => void;
}

/** The pipes of another thread as a datagram transport: what is sent goes into one ring, what arrives comes out of one. */
export class PipeEnd implements DatagramTransport {
  /** None: pipes have no port. */
  readonly port = 0;
  readonly pollFds: readonly number[] = [];
  readonly stats: TransportStats;
  readonly #rings: PipeEndRings;
  #isClosed = false;

  constructor(rings: PipeEndRings, stats: TransportStats = emptyTransportStats()) {
    this.#rings = rings;
    this.stats = stats;
  }

  receive(into: ReceivedRun): boolean {
    const { inbound } = this.#rings;
    if (this.#isClosed) return false;
    let sizeBytes = inbound.nextBytes();
    if (sizeBytes < 0) {
      // The order matters: a datagram that comes in between is either seen here or announced.
      inbound.waitForWriter();
      sizeBytes = inbound.nextBytes();
      if (sizeBytes < 0) return false;
    }
    const { pipe } = inbound;
    into.source.setPipe(pipe);
    into.strideBytes = sizeBytes;
    into.totalBytes = 0;
    // As UDP_GRO does: rows of one sender and one size, the last may be shorter.
    do {
      inbound.shift(into.buffer.bytes, into.offset + into.totalBytes);
      into.totalBytes += sizeBytes;
      this.stats.receivedDatagrams++;
      if (sizeBytes < into.strideBytes) break;
      sizeBytes = inbound.nextBytes();
    } while (
      sizeBytes > 0 &&
      inbound.pipe === pipe &&
      sizeBytes <= into.strideBytes &&
      into.totalBytes + sizeBytes <= MAX_RECEIVE_BYTES
    );
    this.stats.receivedCalls++;
    this.stats.receivedBytes += into.totalBytes;
    return true;
  }

  send(
    buffer: PacketBuffer,
    offset: number,
    totalBytes: number,
    segmentBytes: number,
    destination: EndpointRecord,
  ): SendOutcome {
    if (this.#isClosed) return SendOutcome.closed;
    const { outbound, notify } = this.#rings;
    let outcome: SendOutcome = SendOutcome.sent;
    this.stats.sentCalls++;
    for (let at = 0; at < totalBytes; at += segmentBytes) {
      const sizeBytes = Math.min(segmentBytes, totalBytes - at);
      if (sizeBytes > MAX_PIPE_DATAGRAM_BYTES) {
        outcome = SendOutcome.tooBig;
        this.stats.sendFailures++;
      } else if (outbound.push(destination.pipe, buffer.bytes, offset + at, sizeBytes)) {
        this.stats.sentDatagrams++;
        this.stats.sentBytes += sizeBytes;
      } else {
        outcome = SendOutcome.congested;
        this.stats.sendFailures++;
      }
    }
    if (outbound.takeReaderWaiting()) notify();
    return outcome;
  }

  close(): void {
    this.#isClosed = true;
  }
}
