import { TRANSPORTS, type TransportName } from "../../base/transports.ts";
import type { Path } from "./path.ts";

/** The reasons of path selection, in words for people: `mesh status`, logs and race receipts show them. */

export const ASLEEP = "asleep after five minutes without traffic, which wakes it by the relay";

export function nameOf(transport: TransportName): string {
  return TRANSPORTS[transport].title;
}

export function beats(winner: TransportName, loser: TransportName, preferred: boolean): string {
  return preferred
    ? `${nameOf(winner)} is preferred for this peer`
    : `${nameOf(winner)} works and is preferred to ${nameOf(loser)}`;
}

export function nearer(rttMs: number, thanMs: number): string {
  return `nearer: ${formatMs(rttMs)} instead of ${formatMs(thanMs)}`;
}

export function silentFor(transport: TransportName, silentMs: number): string {
  return `${nameOf(transport)} was silent for ${formatMs(silentMs)}`;
}

/** Why it was left, or is not used. */
export function loses({ transport, hold, isNarrow, loss }: Path): string {
  const name = nameOf(transport);
  if (isNarrow && hold?.loss !== "data") return `${name} does not carry IPv6's minimum of 1280 bytes`;
  if (hold?.loss === "some") return `${name} loses ${Math.round(100 * loss.share)} % of what goes by it`;
  if (hold?.loss === "silence") return `${name} fell silent with the data that went by it`;
  if (hold?.loss === "theirs") return `the peer does not send by ${name}`;
  return hold?.loss === "large"
    ? `${name} loses large messages, small ones pass`
    : `${name} loses data although its probes pass`;
}

export function formatMs(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
