import { EPHEMERAL_ABSENCE_MS, EPHEMERAL_PIN_MS } from "../api/bounds.ts";

/** Bounds on what strangers and peers may cost the coordinator. Our own choices, all in one place. */
export interface CoordinatorLimits {
  /** Largest HTTP request body. */
  readonly bodyBytes: number;
  /** A request must be complete after this. */
  readonly requestTimeoutMs: number;
  /** How long a challenge can be answered. */
  readonly challengeLifetimeMs: number;
  /** Challenges outstanding at once; the oldest goes first. */
  readonly challengesOutstanding: number;
  /** Challenges per source address (IPv6: per /64): as a burst, and again per second. */
  readonly challengeBurst: number;
  readonly challengesPerSecond: number;
  /** Largest message that a peer may send on its control channel. */
  readonly controlMessageBytes: number;
  /** A control channel must be authenticated after this. */
  readonly authenticateTimeoutMs: number;
  /** Control channels that have not authenticated yet: in all, and per source address (IPv6: per /64). */
  readonly unauthenticatedChannels: number;
  readonly unauthenticatedChannelsPerAddress: number;
  /** Messages and pings of one peer: as a burst, and again per second. */
  readonly controlBurst: number;
  readonly controlMessagesPerSecond: number;
  /** Calls of one peer to others, and again calls to one peer: as a burst, and again per second. Others come to nothing. */
  readonly callBurst: number;
  readonly callsPerSecond: number;
  /** A call does not wait behind so many bytes for a slow reader: late, it is worth nothing. */
  readonly callBacklogBytes: number;
  readonly pingIntervalMs: number;
  /** A channel on which nothing came in for this long is dead. */
  readonly silenceMs: number;
  /** A message that has not left our buffers after this marks a reader as too slow. */
  readonly sendTimeoutMs: number;
  /** Changes remembered for deltas; a peer that is further behind gets a full map. */
  readonly changeHistory: number;
  /** Changes are pushed at once when there was no push in this time, else together at its end. */
  readonly pushIntervalMs: number;
  /** How long a stop waits for requests in flight. */
  readonly drainMs: number;
  /** How often endpoints and last-seen times reach the disk, addresses fall free, absent peers are looked for. */
  readonly upkeepIntervalMs: number;
  /** How long a token that has expired stays in the list, for whoever wonders why it is refused. */
  readonly deadTokenKeptMs: number;
  /**
   * How long a peer that joined with an ephemeral token may be away before it is removed. Long enough for a reboot, an
   * upgrade or a network that is down for a while, since who is removed needs another token; short enough that the
   * leftovers of a day's build jobs do not fill everybody's map.
   */
  readonly ephemeralAbsenceMs: number;
  /**
   * How long the address of an ephemeral peer that has gone is nobody's. Twice as long as others hold it pinned, so that a
   * day is left for maps that arrive late and for clocks that were set meanwhile.
   */
  readonly ephemeralRestMs: number;
  /** A stand-alone relay that has been out of sight for so long is nobody's first choice: most of its peers find it gone. */
  readonly relayAwayMs: number;
}

export const DEFAULT_LIMITS: CoordinatorLimits = {
  bodyBytes: 64 * 1024,
  requestTimeoutMs: 15_000,
  challengeLifetimeMs: 60_000,
  challengesOutstanding: 8192,
  challengeBurst: 200,
  challengesPerSecond: 10,
  controlMessageBytes: 64 * 1024,
  authenticateTimeoutMs: 10_000,
  unauthenticatedChannels: 1024,
  unauthenticatedChannelsPerAddress: 256,
  controlBurst: 60,
  controlMessagesPerSecond: 5,
  callBurst: 256,
  callsPerSecond: 16,
  callBacklogBytes: 64 * 1024,
  pingIntervalMs: 15_000,
  silenceMs: 40_000,
  sendTimeoutMs: 60_000,
  changeHistory: 8192,
  pushIntervalMs: 50,
  drainMs: 3_000,
  upkeepIntervalMs: 30_000,
  deadTokenKeptMs: 30 * 86_400_000,
  ephemeralAbsenceMs: EPHEMERAL_ABSENCE_MS,
  ephemeralRestMs: 2 * EPHEMERAL_PIN_MS,
  relayAwayMs: 5 * 60_000,
};
