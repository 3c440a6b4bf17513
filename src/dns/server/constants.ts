/** What askers may cost us over TCP (RFC 7766 §6). Our own choices. */
export const TCP_LIMITS = {
  connections: 64,
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

/** So that a burst waits while the process does something else. The kernel gives as much of it as its `rmem_max` allows. */
export const RECEIVE_BUFFER_BYTES = 1 << 20;
