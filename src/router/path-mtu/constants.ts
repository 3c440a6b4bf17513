import { IPV6_MIN_MTU_BYTES } from "../../packet/mtu.ts";

/**
 * Sizes are plaintexts of WireGuard data messages, so inner packets: the underlay carries 60 bytes more over IPv4 and 80
 * over IPv6. Names in capitals are those of RFC 8899 §5.1.
 */
export const PATH_MTU_SIZES = {
  /** BASE_PLPMTU: what TCP is cut to before anything is known; 1200 of the underlay, over IPv6. */
  baseBytes: 1120,
  /** MIN_PLPMTU: IPv4 hosts take 576 (RFC 1122 §3.3.2). A path that carries less is not looked into further. */
  minBytes: 512,
  /** A packet of this size must get through, in fragments if need be. */
  ipv6MinBytes: IPV6_MIN_MTU_BYTES,
} as const;

/** Our choices, milliseconds unless the name says otherwise. */
export const PATH_MTU_TIMINGS = {
  /** MAX_PROBES: so often a size is tried, each time beside a small probe that gets through, before it counts as too big. */
  tries: 3,
  /** Sizes that are tried at once: a range becomes this many times narrower with every round. */
  rungs: 16,
  /** The small probe leaves last: when it is answered, those before it should be, within max(this, RTT/4). */
  graceMs: 10,
  graceRtts: 0.25,
  /** Without an answer to the small probe nothing is learned: the round is given up after max(this, 2 × RTT). */
  patienceMs: 100,
  patienceRtts: 2,
  /** CONFIRMATION_TIMER: how often the size in use is tried again while large messages go. */
  confirmMs: 250,
  /** PMTU_RAISE_TIMER: how often a larger one is looked for while messages go. */
  raiseMs: 600_000,
} as const;
