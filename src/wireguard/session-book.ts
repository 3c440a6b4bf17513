import { SLOTS_PER_PEER } from "./limits.ts";
import type { TransportKeys } from "./noise.ts";
import type { EnginePeer, Session } from "./peer.ts";
import type { KeySlots } from "./shared-state.ts";

/**
 * The control thread's account of every keypair that it handed to the data thread, until that one says that the slot is
 * wiped. A slot is never given out twice in between.
 */
export class SessionBook {
  readonly #slots: KeySlots;
  readonly #free: number[] = [];
  readonly #bySlot = new Map<number, { readonly session: Session; readonly peer: EnginePeer }>();

  constructor(slots: KeySlots) {
    this.#slots = slots;
    for (let slot = slots.count - 1; slot >= 0; slot--) this.#free.push(slot);
  }

  hasRoomFor(peer: EnginePeer): boolean {
    return this.#free.length > 0 && peer.sessions.length < SLOTS_PER_PEER;
  }

  /** Puts the keys into a slot and wipes `keys`. Ask `hasRoomFor` first. */
  open(peer: EnginePeer, keys: TransportKeys, fields: Omit<Session, "slot" | "isRemoving">): Session {
    const slot = this.#free.pop();
    if (slot === undefined) throw new Error("no key slot is free");
    this.#slots.sendKey(slot).set(keys.send);
    this.#slots.receiveKey(slot).set(keys.receive);
    keys.send.fill(0);
    keys.receive.fill(0);
    const session: Session = { ...fields, slot, isRemoving: false };
    this.#bySlot.set(slot, { session, peer });
    peer.sessions.push(session);
    return session;
  }

  /** The session in `slot` when it is one of `peer`. */
  find(peer: EnginePeer, slot: number): Session | undefined {
    const entry = this.#bySlot.get(slot);
    return entry?.peer === peer ? entry.session : undefined;
  }

  /** The data thread has wiped the slot. Returns what stood there. */
  close(slot: number): { readonly session: Session; readonly peer: EnginePeer } | undefined {
    const entry = this.#bySlot.get(slot);
    if (entry === undefined) return undefined;
    this.#bySlot.delete(slot);
    this.#free.push(slot);
    entry.peer.sessions.splice(entry.peer.sessions.indexOf(entry.session), 1);
    return entry;
  }
}
