import type { PipeTransportName } from "../../base/transports.ts";

/** The largest datagram that a pipe carries: a WireGuard message of an MTU of 9000, and room to spare. */
export const MAX_PIPE_DATAGRAM_BYTES = 9216;

export interface PipeHandlers {
  /** `peer` is the WireGuard public key, base64, of whom the datagram is from. The bytes are valid during the call. */
  readonly onDatagram: (peer: string, datagram: Uint8Array) => void;
  /** A way to `peer` has opened or closed; `isOpenTo` tells which. */
  readonly onChange: (peer: string) => void;
}

/** Counts since the transport was opened. */
export interface PipeStats {
  sentDatagrams: number;
  sentBytes: number;
  receivedDatagrams: number;
  receivedBytes: number;
  /** Not sent: no connection, or pushed out of a full queue by a later one. */
  droppedDatagrams: number;
  /** Frames of the other end that are none of ours: too long, or cut short. */
  malformedFrames: number;
}

/**
 * What carries datagrams over a byte stream: SSH, a relay. It lives in the control thread, whose sockets Node drives; the
 * data thread reaches it through a ring (`PipeRing`). Datagrams are WireGuard messages, so a pipe is trusted with nothing:
 * it may lose, reorder and repeat them, and whoever it claims to speak for is proven by the session alone.
 */
export interface PipeTransport extends AsyncDisposable {
  readonly transport: PipeTransportName;
  readonly stats: Readonly<PipeStats>;
  /** Whether `peer` can be found by it at all; left out: everybody. */
  leadsTo?(peer: string): boolean;
  /** Whether a datagram to `peer` has somewhere to go right now. */
  isOpenTo(peer: string): boolean;
  /** Where the way to `peer` leads, for people; null when there is none. */
  addressOf(peer: string): string | null;
  /**
   * Says that a way to `peer` is wanted for the next while (SSH connects then; a relay is connected anyway). To be called
   * again as long as it is wanted.
   */
  want(peer: string): void;
  /** Copies the datagram, never blocks, never throws. False when it was dropped at once. */
  send(peer: string, datagram: Uint8Array): boolean;
  /** Idempotent. */
  close(): Promise<void>;
}

export function emptyPipeStats(): PipeStats {
  return {
    sentDatagrams: 0,
    sentBytes: 0,
    receivedDatagrams: 0,
    receivedBytes: 0,
    droppedDatagrams: 0,
    malformedFrames: 0,
  };
}
