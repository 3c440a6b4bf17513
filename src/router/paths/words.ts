import type { PathTransport } from "./events.ts";
import type { Loss } from "./path.ts";

/** The reasons of path selection, in words for people: `mesh status`, logs and race receipts show them. */

const NAMES: Record<PathTransport, string> = { udp: "UDP", ssh: "SSH", relay: "relay" };

export function nameOf(transport: PathTransport): string {
  return NAMES[transport];
}

export function beats(winner: PathTransport, loser: PathTransport, preferred: boolean): string {
  return preferred
    ? `${nameOf(winner)} is preferred for this peer`
    : `${nameOf(winner)} works and is preferred to ${nameOf(loser)}`;
}

export function nearer(rttMs: number, thanMs: number): string {
  return `nearer: ${formatMs(rttMs)} instead of ${formatMs(thanMs)}`;
}

export function silentFor(transport: PathTransport, silentMs: number): string {
  return `${nameOf(transport)} was silent for ${formatMs(silentMs)}`;
}

export function loses(transport: PathTransport, loss: Loss): string {
  return loss === "large"
    ? `${nameOf(transport)} loses large messages, small ones pass`
    : `${nameOf(transport)} loses data although its probes pass`;
}

export function formatMs(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
