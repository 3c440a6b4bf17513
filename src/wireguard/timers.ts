import type { WireGuardTimings } from "./constants.ts";
import type { EnginePeer } from "./peer.ts";
import { PeerCell, type PeerCells } from "./shared-state.ts";

/**
 * When each timer of a peer is due (whitepaper §6), derived from what is known at the moment of asking: no timer is
 * armed or disarmed anywhere. `Infinity` is never. Firing a timer must change what its deadline follows from.
 */
export type PeerTimer = "retry-handshake" | "start-handshake" | "keepalive" | "persistent-keepalive" | "zero-keys";

export const PEER_TIMERS: readonly PeerTimer[] = [
  "retry-handshake",
  "start-handshake",
  "keepalive",
  "persistent-keepalive",
  "zero-keys",
];

const NEVER = Number.POSITIVE_INFINITY;

export function timerDeadlineMs(
  timer: PeerTimer,
  peer: EnginePeer,
  cells: PeerCells,
  timings: WireGuardTimings,
): number {
  switch (timer) {
    case "retry-handshake":
      return peer.attempt?.retryAtMs ?? NEVER;
    case "start-handshake":
      return startHandshakeMs(peer, cells, timings);
    case "keepalive":
      return keepaliveMs(peer, cells, timings);
    case "persistent-keepalive":
      return persistentKeepaliveMs(peer, cells);
    case "zero-keys":
      return zeroKeysMs(peer, timings);
  }
}

/** A handshake that had to wait, or one because the peer is silent: data went out and nothing at all came back. */
function startHandshakeMs(peer: EnginePeer, cells: PeerCells, timings: WireGuardTimings): number {
  if (peer.attempt !== undefined || peer.staticStatic === undefined) return NEVER;
  if (peer.wantedAtMs !== undefined) return peer.wantedAtMs;
  const firstUnansweredMs = cells.get(peer.id, PeerCell.firstUnansweredSentMs);
  if (firstUnansweredMs === 0) return NEVER;
  // After giving up, only what was sent since then is a reason to try again.
  if (cells.get(peer.id, PeerCell.lastSentMs) < peer.gaveUpAtMs) return NEVER;
  const silentSinceMs = Math.max(firstUnansweredMs, peer.lastHandshakeMessageMs, peer.gaveUpAtMs);
  return silentSinceMs + timings.keepaliveTimeoutMs + timings.rekeyTimeoutMs + peer.jitterMs;
}

function keepaliveMs(peer: EnginePeer, cells: PeerCells, timings: WireGuardTimings): number {
  const firstUnacknowledgedMs = cells.get(peer.id, PeerCell.firstUnacknowledgedReceivedMs);
  if (firstUnacknowledgedMs === 0 || firstUnacknowledgedMs === peer.keepaliveAskedForMs) return NEVER;
  return firstUnacknowledgedMs + timings.keepaliveTimeoutMs;
}

/** Counted from the last message that we sent, since only outgoing ones keep every kind of NAT mapping open. */
function persistentKeepaliveMs(peer: EnginePeer, cells: PeerCells): number {
  if (peer.persistentKeepaliveMs === 0 || peer.attempt !== undefined || peer.staticStatic === undefined) return NEVER;
  const lastMs = Math.max(
    cells.get(peer.id, PeerCell.lastSentMs),
    peer.lastInitiationSentMs,
    peer.persistentKeepaliveAskedMs,
    // A peer with a persistent keepalive is contacted as soon as it is added.
    peer.addedAtMs - peer.persistentKeepaliveMs,
  );
  return lastMs + peer.persistentKeepaliveMs;
}

function zeroKeysMs(peer: EnginePeer, timings: WireGuardTimings): number {
  let earliestMs = NEVER;
  for (const session of peer.sessions) {
    if (!session.isRemoving) earliestMs = Math.min(earliestMs, session.createdAtMs + timings.zeroKeysAfterMs);
  }
  return earliestMs;
}
