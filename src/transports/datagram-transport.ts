import { PacketBuffer } from "../packet/packet-buffer.ts";
import { EndpointRecord } from "./endpoint-record.ts";

/** The largest datagram that a receive takes, and the most that one receive yields. */
export const MAX_RECEIVE_BYTES = 65_536;

/**
 * What one receive yields: one datagram, or a row of them of one flow (UDP_GRO), `strideBytes` apart, of which only the
 * last may be shorter. Reused for every receive.
 */
export class ReceivedRun {
  readonly buffer: PacketBuffer;
  /** Where the first datagram starts. */
  readonly offset: number;
  totalBytes = 0;
  strideBytes = 0;
  /** Who sent it, and to which of our addresses. */
  readonly source = new EndpointRecord();

  /** `offset`: room that the owner wants before the first datagram; `MAX_RECEIVE_BYTES` must fit behind it. */
  constructor(buffer = new PacketBuffer(MAX_RECEIVE_BYTES), offset = 0) {
    this.buffer = buffer;
    this.offset = offset;
  }
}

export const SendOutcome = {
  sent: 0,
  /** The queue is full (`EAGAIN`, `ENOBUFS`): the rest is dropped, as a network would. */
  congested: 1,
  /** No way there at the moment: no route, no socket of the family, refused by a firewall. */
  unreachable: 2,
  /** The underlay carries no datagram of this size. */
  tooBig: 3,
  closed: 4,
} as const;
export type SendOutcome = (typeof SendOutcome)[keyof typeof SendOutcome];

/** Since the transport was opened. A call that moves a row of datagrams counts once in `…Calls`. */
export interface TransportStats {
  sentCalls: number;
  sentDatagrams: number;
  sentBytes: number;
  receivedCalls: number;
  receivedDatagrams: number;
  receivedBytes: number;
  /** Datagrams that were not sent, for whatever reason. */
  sendFailures: number;
  /** Datagrams that came truncated, or with an address of no known family. */
  receiveFailures: number;
}

/**
 * A pipe for opaque datagrams that never blocks. What every implementation holds to is `test/compliance/`: a datagram
 * arrives whole or not at all, order and delivery are not promised, nothing throws on account of a peer.
 */
export interface DatagramTransport {
  /** The port that datagrams come from. */
  readonly port: number;
  /** Descriptors that poll as readable when `receive` has something; empty when there is nothing to poll. */
  readonly pollFds: readonly number[];
  readonly stats: Readonly<TransportStats>;
  /** Takes what is waiting; false when nothing is, or the transport is closed. */
  receive(into: ReceivedRun): boolean;
  /**
   * Sends `totalBytes` of `buffer` from `offset`, cut every `segmentBytes` (the last may be shorter), to `destination`.
   * `destination` may lose its local address: when that is gone, the kernel chooses another.
   * `isWhole`: a datagram arrives in one piece or not at all, and `tooBig` says that our own device does not take it. By
   * default routers may fragment over IPv4 (no DF, as the kernel's WireGuard), and the kernel does over IPv6 where it was
   * told that the path carries less.
   */
  send(
    buffer: PacketBuffer,
    offset: number,
    totalBytes: number,
    segmentBytes: number,
    destination: EndpointRecord,
    isWhole?: boolean,
  ): SendOutcome;
  /** Idempotent. */
  close(): void;
}

export function emptyTransportStats(): TransportStats {
  return {
    sentCalls: 0,
    sentDatagrams: 0,
    sentBytes: 0,
    receivedCalls: 0,
    receivedDatagrams: 0,
    receivedBytes: 0,
    sendFailures: 0,
    receiveFailures: 0,
  };
}
