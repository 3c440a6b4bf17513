/** Counts since the relay was opened, and what there is now. */
export interface RelayStats {
  /** Connected clients, authenticated. */
  clients: number;
  /** Memory in the queues and socket buffers towards all clients. */
  waitingBytes: number;
  forwardedFrames: number;
  forwardedBytes: number;
  /** For a peer that is not connected here. */
  droppedAbsent: number;
  /** For a peer that the sender may not exchange with. */
  droppedForbidden: number;
  /** Pushed out of a full queue, or left in the queue of a client that went. */
  droppedOverflow: number;
  /** Too long, too short, or of an unknown type. */
  malformedFrames: number;
  /** Times that a client was made to wait because it sent too much. */
  throttled: number;
  /** Connections that were turned away before they were anybody's. */
  refusedConnections: number;
}

export type RelayCounters = Omit<RelayStats, "clients" | "waitingBytes">;

export function emptyRelayCounters(): RelayCounters {
  return {
    forwardedFrames: 0,
    forwardedBytes: 0,
    droppedAbsent: 0,
    droppedForbidden: 0,
    droppedOverflow: 0,
    malformedFrames: 0,
    throttled: 0,
    refusedConnections: 0,
  };
}
