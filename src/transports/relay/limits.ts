import { RELAY_FRAME_HEADER_BYTES } from "../../api/relay-frame.ts";
import { MAX_PIPE_DATAGRAM_BYTES } from "../pipe/pipe-transport.ts";

/** The largest message on a relay WebSocket, both ways and from the first byte on. */
export const MAX_RELAY_MESSAGE_BYTES = RELAY_FRAME_HEADER_BYTES + MAX_PIPE_DATAGRAM_BYTES;

/** A client's patience with a relay and its bounds on memory. Our own choices, all in one place. */
export interface RelayClientLimits {
  /** Waits between attempts to connect grow from the first to the last. */
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** A connection that lasted this long was a good one: the next attempt comes soon again. */
  readonly goodConnectionMs: number;
  /** From the first packet to the relay's welcome. */
  readonly handshakeMs: number;
  readonly pingIntervalMs: number;
  /** A connection on which nothing comes in for this long is dead. */
  readonly silenceMs: number;
  /** The same after `checkNow`. */
  readonly hastySilenceMs: number;
  /** Datagrams that wait while the socket is slow; beyond it the oldest are dropped. */
  readonly queueBytes: number;
  /** What the socket's own buffer may hold before datagrams wait in the queue. */
  readonly bufferBytes: number;
  /** A peer for which nobody has wanted a way for this long is forgotten. */
  readonly forgetPeerMs: number;
  /** A connection to a relay that is not home ends when nothing was sent by it for this long. */
  readonly unusedMs: number;
}

export const DEFAULT_RELAY_CLIENT_LIMITS: RelayClientLimits = {
  firstRetryMs: 250,
  lastRetryMs: 30_000,
  goodConnectionMs: 10_000,
  handshakeMs: 10_000,
  pingIntervalMs: 10_000,
  silenceMs: 25_000,
  hastySilenceMs: 2_000,
  queueBytes: 256 * 1024,
  bufferBytes: 64 * 1024,
  forgetPeerMs: 600_000,
  unusedMs: 300_000,
};
