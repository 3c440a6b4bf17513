/** What becomes of a packet. Everything but `accept` drops it; `reject` tells its sender as well. */
export const Verdict = {
  accept: 0,
  deny: 1,
  reject: 2,
  /** An association lets connections start at the other end only. */
  oneWay: 3,
  /** A later fragment whose first one was not let through, or that lies over it. */
  fragment: 4,
  /** A new connection that the full table has no room for. */
  tableFull: 5,
  /** From an exit, and no answer to what was sent through it. */
  unasked: 6,
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];
