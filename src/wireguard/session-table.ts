import { Keypair, type KeypairDeps, type KeypairInstallation } from "./keypair.ts";
import { PeerCell, type PeerCells } from "./shared-state.ts";

export interface SessionTableDeps extends KeypairDeps {
  readonly cells: PeerCells;
  /** Told of every slot right after it was wiped: tell the control thread (`slot-wiped`). */
  readonly onSlotWiped: (slot: number) => void;
}

interface PeerSessions {
  previous: Keypair | undefined;
  current: Keypair | undefined;
  next: Keypair | undefined;
}

/**
 * The data thread's sessions: receiver index → keypair, and for each peer the three keypairs of whitepaper §6.1.
 *
 *                        install (we initiated)
 *                      ┌────────────────────────┐
 *     install          │  first authentic data  ▼
 *     (we responded) ► next ─────────────────► current ─────► previous ─────► wiped
 *                                                (something newer became current)
 *
 * Bounded by the engine, which hands out the slots: at most one keypair for each.
 */
export class SessionTable {
  readonly #deps: SessionTableDeps;
  /** By `localIndex | 0`: a small integer in V8, so a lookup allocates nothing. */
  readonly #byIndex = new Map<number, Keypair>();
  readonly #byPeer = new Map<number, PeerSessions>();

  constructor(deps: SessionTableDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#byIndex.size;
  }

  /** The keypair that a data message with this receiver index belongs to. */
  byReceiverIndex(index: number): Keypair | undefined {
    return this.#byIndex.get(index | 0);
  }

  /** The keypair to send on, or undefined when there is none or it is too old or worn: ask for a handshake then. */
  usable(peer: number, nowMs: number): Keypair | undefined {
    const current = this.#byPeer.get(peer)?.current;
    return current === undefined || current.isExpired(nowMs) ? undefined : current;
  }

  /** Takes a keypair over from the control thread (`install-keypair`). */
  install(installation: KeypairInstallation): void {
    const keypair = new Keypair(installation, this.#deps);
    const sessions = this.#sessionsOf(installation.peer);
    this.#byIndex.set(keypair.localIndex | 0, keypair);
    // The handshake message behind this was authenticated: that answers whatever we sent before.
    this.#deps.cells.set(installation.peer, PeerCell.firstUnansweredSentMs, 0);
    if (!keypair.isInitiator) {
      this.#wipe(sessions.next);
      sessions.next = keypair;
      return;
    }
    this.#wipe(sessions.previous);
    if (sessions.next === undefined) {
      sessions.previous = sessions.current;
    } else {
      // Initiations crossed, and the peer may already send on the keypair that it initiated: keep that one readable.
      this.#wipe(sessions.current);
      sessions.previous = sessions.next;
      sessions.next = undefined;
    }
    sessions.current = keypair;
  }

  /**
   * Call for every authentic message. When it is the first under the responder's `next`, that one becomes `current`, and
   * true is returned: send what is staged and tell the control thread (`promoted`).
   */
  confirm(keypair: Keypair): boolean {
    const sessions = this.#byPeer.get(keypair.peer);
    if (sessions === undefined || sessions.next !== keypair) return false;
    this.#wipe(sessions.previous);
    sessions.previous = sessions.current;
    sessions.current = keypair;
    sessions.next = undefined;
    return true;
  }

  /** Forgets one keypair and wipes its slot (`remove-keypair`); nothing happens when it went already. */
  remove(peer: number, slot: number): void {
    const sessions = this.#byPeer.get(peer);
    if (sessions === undefined) return;
    if (sessions.previous?.slot === slot) {
      this.#wipe(sessions.previous);
      sessions.previous = undefined;
    } else if (sessions.current?.slot === slot) {
      this.#wipe(sessions.current);
      sessions.current = undefined;
    } else if (sessions.next?.slot === slot) {
      this.#wipe(sessions.next);
      sessions.next = undefined;
    }
    if (sessions.previous === undefined && sessions.current === undefined && sessions.next === undefined) {
      this.#byPeer.delete(peer);
    }
  }

  /** Wipes everything: the last act of the data thread. */
  clear(): void {
    for (const keypair of this.#byIndex.values()) this.#wipe(keypair);
    this.#byPeer.clear();
  }

  #sessionsOf(peer: number): PeerSessions {
    let sessions = this.#byPeer.get(peer);
    if (sessions === undefined) {
      sessions = { previous: undefined, current: undefined, next: undefined };
      this.#byPeer.set(peer, sessions);
    }
    return sessions;
  }

  #wipe(keypair: Keypair | undefined): void {
    if (keypair === undefined) return;
    this.#byIndex.delete(keypair.localIndex | 0);
    keypair.dispose();
    this.#deps.slots.wipe(keypair.slot);
    this.#deps.onSlotWiped(keypair.slot);
  }
}
