/** Bounds on what clients may cost the relay and each other. Our own choices, all in one place. */
export interface RelayLimits {
  /** A connection must be authenticated after this. */
  readonly authenticateTimeoutMs: number;
  /** Connections that have not authenticated yet: in all, and per source address (IPv6: per /64). */
  readonly unauthenticatedConnections: number;
  readonly unauthenticatedConnectionsPerAddress: number;
  /** What one client may send: as a burst, and again per second. Beyond it the relay reads on later, and drops nothing. */
  readonly burstBytes: number;
  readonly bytesPerSecond: number;
  readonly burstFrames: number;
  readonly framesPerSecond: number;
  /** What is read of one client before it is the others' turn. */
  readonly turnBytes: number;
  readonly turnFrames: number;
  /** Frames that wait for one client; beyond it the oldest of whoever sends most are dropped. */
  readonly queueBytes: number;
  /** What a client's socket may buffer before frames wait in the queue. */
  readonly bufferBytes: number;
  /** Absent peers whose arrival one client is told of. */
  readonly awaitedPeers: number;
  readonly pingIntervalMs: number;
  /** A connection on which nothing came in for this long is dead. */
  readonly silenceMs: number;
  /** How long a client that was turned away may take for the closing handshake, and a stop waits for all of them. */
  readonly drainMs: number;
}

/** 512 Mbit/s and 50 000 datagrams a second for each client: what a relayed peer may use, not what it should. */
export const DEFAULT_RELAY_LIMITS: RelayLimits = {
  authenticateTimeoutMs: 10_000,
  unauthenticatedConnections: 1024,
  unauthenticatedConnectionsPerAddress: 256,
  burstBytes: 16_000_000,
  bytesPerSecond: 64_000_000,
  burstFrames: 10_000,
  framesPerSecond: 50_000,
  turnBytes: 256 * 1024,
  turnFrames: 256,
  queueBytes: 1024 * 1024,
  bufferBytes: 64 * 1024,
  awaitedPeers: 1024,
  pingIntervalMs: 15_000,
  silenceMs: 40_000,
  drainMs: 3_000,
};
