/** Bounds that are our own choice; what the whitepaper fixes is in `constants.ts`. */

/** How many messages late a data message may come. */
export const REPLAY_WINDOW_MESSAGES = 8192;

/** Packets that wait for a session, for each peer; the oldest goes when another comes. */
export const MAX_STAGED_PACKETS = 128;

export interface MessageLimits {
  /** The sender asks for a new session after so many messages (whitepaper: 2^60). */
  readonly rekeyAfterMessages: number;
  /** A keypair neither seals nor takes a counter from here on (whitepaper: 2^64 − 2^13 − 1). */
  readonly rejectAfterMessages: number;
}

/**
 * Counters are JavaScript numbers, exact below 2^53, so both limits stand lower than the whitepaper's. A peer cannot
 * tell: at ten million messages a second a session would have to last 28 years to come here, and it lasts 180 s. A
 * received counter at or beyond the limit is therefore a forgery or a fault, and is refused.
 */
export const MESSAGE_LIMITS: MessageLimits = {
  rekeyAfterMessages: 2 ** 52,
  rejectAfterMessages: 2 ** 53 - 2 ** 13 - 1,
};

/** Keypairs that a peer can hold at once: previous, current, next, and some on their way between the threads. */
export const SLOTS_PER_PEER = 6;

export interface HandshakeLimits {
  /** Initiations of one peer closer together than this are dropped. */
  readonly initiationIntervalMs: number;
  /** Handshake messages a second with a valid MAC1 beyond which we count as under load; 0 is always. */
  readonly unloadedHandshakesPerSecond: number;
  /** How long we stay under load after the last second that was too much. */
  readonly underLoadLingerMs: number;
  /** Under load, for one source address: sustained rate and burst. */
  readonly sourceHandshakesPerSecond: number;
  readonly sourceBurst: number;
  readonly maxSources: number;
  /** Static keys whose greatest timestamp is remembered. */
  readonly maxRememberedTimestamps: number;
}

/** A handshake costs the responder some 0.3 ms of the control thread: at 500 a second it starts to matter. */
export const HANDSHAKE_LIMITS: HandshakeLimits = {
  initiationIntervalMs: 20,
  unloadedHandshakesPerSecond: 500,
  underLoadLingerMs: 1000,
  sourceHandshakesPerSecond: 20,
  sourceBurst: 5,
  maxSources: 8192,
  maxRememberedTimestamps: 65_536,
};
