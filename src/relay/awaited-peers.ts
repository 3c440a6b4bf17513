import type { RelaySession } from "./relay-session.ts";

/** Which clients wait for which absent peers. Each may wait for so many. */
export class AwaitedPeers {
  readonly #limitPerSession: number;
  readonly #waiting = new Map<string, Set<RelaySession>>();

  constructor(limitPerSession: number) {
    this.#limitPerSession = limitPerSession;
  }

  /** False when the session waits for that peer already, or for too many. */
  add(session: RelaySession, peer: string): boolean {
    if (session.awaited.has(peer) || session.awaited.size >= this.#limitPerSession) return false;
    session.awaited.add(peer);
    const waiting = this.#waiting.get(peer);
    if (waiting === undefined) this.#waiting.set(peer, new Set([session]));
    else waiting.add(session);
    return true;
  }

  /** A copy. */
  waitingFor(peer: string): readonly RelaySession[] {
    return [...(this.#waiting.get(peer) ?? [])];
  }

  remove(session: RelaySession, peer: string): void {
    session.awaited.delete(peer);
    const waiting = this.#waiting.get(peer);
    waiting?.delete(session);
    if (waiting?.size === 0) this.#waiting.delete(peer);
  }

  removeAll(session: RelaySession): void {
    for (const peer of session.awaited) this.remove(session, peer);
  }
}
