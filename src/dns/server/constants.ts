/** What askers may cost us over TCP (RFC 7766 §6). Our own choices. */
export const TCP_LIMITS = {
  connections: 64,
  /** Of these, those of other peers, and of each: they leave room for the host and for each other. */
  connectionsOfPeers: 48,
  connectionsOfPeer: 4,
  /** A connection without a query under way ends after this. */
  idleMs: 10_000,
  /** Queries of one connection that wait for their answers; more are read when one is answered. */
  underWay: 32,
  /** No query that we could answer is longer. */
  queryBytes: 4096,
  /** Answers that nobody reads; more end the connection. */
  unreadBytes: 256 * 1024,
} as const;

/** Answers over UDP that wait for others. */
export const MAX_UDP_UNDER_WAY = 1024;
/** Of these, those of other peers, and of each. */
export const MAX_UDP_OF_PEERS = 512;
export const MAX_UDP_OF_PEER = 64;

/** So that a burst waits while the process does something else. The kernel gives as much of it as its `rmem_max` allows. */
export const RECEIVE_BUFFER_BYTES = 1 << 20;
