/** What the WireGuard whitepaper (https://www.wireguard.com/papers/wireguard.pdf) fixes. Our own choices: `limits.ts`. */

/** §5.4: the first 32 bits of a message, little-endian; the three bytes after the type are reserved and zero. */
export const MessageType = { initiation: 1, response: 2, cookieReply: 3, data: 4 } as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
export const COOKIE_REPLY_BYTES = 64;

/** §5.4.6: type, receiver index and counter before the payload, the tag behind it. */
export const DATA_HEADER_BYTES = 16;
export const TAG_BYTES = 16;
export const DATA_OVERHEAD_BYTES = DATA_HEADER_BYTES + TAG_BYTES;
/** Payloads are zero-padded to a multiple of this. */
export const PADDING_BYTES = 16;

export const KEY_BYTES = 32;
export const MAC_BYTES = 16;
export const COOKIE_NONCE_BYTES = 24;
export const TIMESTAMP_BYTES = 12;

/** §5.4: what the handshake hashes start from. */
export const CONSTRUCTION = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
export const IDENTIFIER = "WireGuard v1 zx2c4 Jason@zx2c4.com";
export const LABEL_MAC1 = "mac1----";
export const LABEL_COOKIE = "cookie--";

/** §6.1, as one object, so that a test can run a session's life in a second. All in milliseconds. */
export interface WireGuardTimings {
  /** The initiator renews a session it sends on after this age. */
  readonly rekeyAfterMs: number;
  /** Nobody uses a session beyond this age. */
  readonly rejectAfterMs: number;
  /** How long one wish for a handshake is pursued. */
  readonly rekeyAttemptMs: number;
  /** Between two initiations to one peer, plus a jitter of up to `rekeyJitterMs`. */
  readonly rekeyTimeoutMs: number;
  readonly rekeyJitterMs: number;
  /** A side that received data and sent nothing for this long says so with a keepalive. */
  readonly keepaliveTimeoutMs: number;
  /** Age at which the keys of a peer without a newer session are wiped: three times Reject-After-Time. */
  readonly zeroKeysAfterMs: number;
  /** §5.3: how long a received cookie is good for, and how long a cookie secret lives. */
  readonly cookieLifetimeMs: number;
  readonly cookieSecretLifetimeMs: number;
}

export const WHITEPAPER_TIMINGS: WireGuardTimings = {
  rekeyAfterMs: 120_000,
  rejectAfterMs: 180_000,
  rekeyAttemptMs: 90_000,
  rekeyTimeoutMs: 5_000,
  rekeyJitterMs: 333,
  keepaliveTimeoutMs: 10_000,
  zeroKeysAfterMs: 3 * 180_000,
  cookieLifetimeMs: 120_000,
  cookieSecretLifetimeMs: 120_000,
};
