import { PeerCell, type PeerCells } from "./shared-state.ts";

/** The data thread's notes of a peer's traffic, from which the control thread derives its timers (whitepaper §6). */

/** `messages` data messages of `bytes` bytes on the wire left; `hasPayload` is false for a keepalive. */
export function recordSent(
  cells: PeerCells,
  peer: number,
  nowMs: number,
  messages: number,
  bytes: number,
  hasPayload: boolean,
): void {
  const { values } = cells;
  const base = cells.base(peer);
  values[base + PeerCell.lastSentMs] = nowMs;
  values[base + PeerCell.txBytes] = (values[base + PeerCell.txBytes] as number) + bytes;
  values[base + PeerCell.txMessages] = (values[base + PeerCell.txMessages] as number) + messages;
  values[base + PeerCell.firstUnacknowledgedReceivedMs] = 0;
  if (hasPayload && values[base + PeerCell.firstUnansweredSentMs] === 0) {
    values[base + PeerCell.firstUnansweredSentMs] = nowMs;
  }
}

/** `messages` authentic data messages arrived; `hasPayload` when at least one was no keepalive. */
export function recordReceived(
  cells: PeerCells,
  peer: number,
  nowMs: number,
  messages: number,
  bytes: number,
  hasPayload: boolean,
): void {
  const { values } = cells;
  const base = cells.base(peer);
  values[base + PeerCell.lastReceivedMs] = nowMs;
  values[base + PeerCell.rxBytes] = (values[base + PeerCell.rxBytes] as number) + bytes;
  values[base + PeerCell.rxMessages] = (values[base + PeerCell.rxMessages] as number) + messages;
  values[base + PeerCell.firstUnansweredSentMs] = 0;
  if (hasPayload && values[base + PeerCell.firstUnacknowledgedReceivedMs] === 0) {
    values[base + PeerCell.firstUnacknowledgedReceivedMs] = nowMs;
  }
}
