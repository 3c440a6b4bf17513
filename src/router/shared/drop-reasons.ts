/**
 * Every way in which the data plane loses a packet or a datagram; each name is a metric label. `out-` is from the host to
 * a peer, `in-` from the network to the host.
 */
export const DROP_REASONS = [
  // Outbound, in packet order.
  "out-malformed",
  "out-no-route",
  /** Our own datagram to the peer: the route to its endpoint leads into the tunnel. */
  "out-loop",
  "out-filtered",
  /** An association lets the peer start connections to us, and not us to it. */
  "out-one-way",
  /** A later fragment whose first one was not let through. */
  "out-fragment",
  /** A new connection, and the filter tracks as many as it can. */
  "out-connections-full",
  "out-too-big",
  /** The stage of the peer was full; its oldest packet went. */
  "out-stage-full",
  /** Nobody answered the handshake that the packet waited for, or the peer was removed. */
  "out-stage-abandoned",
  "out-no-endpoint",
  "out-session-worn",
  "out-congested",
  "out-unreachable",
  "out-underlay-too-big",
  // Inbound, in packet order.
  "in-unknown-message",
  "in-bad-mac1",
  "in-queue-full-initiation",
  "in-queue-full-response",
  "in-queue-full-cookie",
  "in-queue-full-stun",
  "in-queue-full-probe",
  "in-queue-full-call",
  "in-queue-full-inquiry",
  "in-unknown-receiver",
  "in-session-expired",
  "in-replayed",
  "in-forged",
  "in-unknown-probe",
  "in-malformed",
  "in-spoofed-source",
  /** For another machine, and this one does not forward there. */
  "in-not-for-us",
  /** From an exit, and no answer to what was sent through it. */
  "in-exit-unasked",
  "in-filtered",
  "in-one-way",
  "in-fragment",
  "in-connections-full",
  /** A frame, which may be many packets: the TUN device was down, mostly. */
  "in-device-refused",
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

/** Why a packet is dropped that the filter stops, by `Verdict`. */
export function filterDrops(way: "in" | "out"): readonly (DropReason | undefined)[] {
  return [
    undefined,
    `${way}-filtered`,
    `${way}-filtered`,
    `${way}-one-way`,
    `${way}-fragment`,
    `${way}-connections-full`,
    // Nobody asks for what this host sends.
    way === "in" ? "in-exit-unasked" : undefined,
  ];
}
