import type { AeadProvider, Opener, Sealer } from "./aead/provider.ts";
import type { WireGuardTimings } from "./constants.ts";
import { readCounter, writeDataHeader } from "./data-header.ts";
import type { EngineAction } from "./engine.ts";
import type { MessageLimits } from "./limits.ts";
import { ReplayWindow } from "./replay-window.ts";
import type { KeySlots } from "./shared-state.ts";

/** What the control thread tells of a new keypair; its keys stand in the slot already. */
export type KeypairInstallation = Omit<Extract<EngineAction, { type: "install-keypair" }>, "type">;

export interface KeypairDeps {
  readonly provider: AeadProvider;
  readonly slots: KeySlots;
  readonly timings: WireGuardTimings;
  readonly limits: MessageLimits;
}

/** What became of one message in `Keypair.open`. */
export const OpenVerdict = {
  /** Not authentic, or too short: it says nothing of its sender. */
  forged: 0,
  /** Authentic and seen for the first time; its counter is taken. */
  fresh: 1,
  /** Authentic, but taken before, too old, or beyond Reject-After-Messages: drop it. The path it came by still works. */
  replayed: 2,
} as const;
export type OpenVerdict = (typeof OpenVerdict)[keyof typeof OpenVerdict];

/** One session's keys in the data thread: seals, opens, counts, and knows when it is old or worn (whitepaper §6.2). */
export class Keypair {
  readonly peer: number;
  readonly slot: number;
  /** The index that messages to us carry. */
  readonly localIndex: number;
  /** The index that our messages carry. */
  readonly remoteIndex: number;
  readonly isInitiator: boolean;
  readonly createdAtMs: number;
  readonly #sealer: Sealer;
  readonly #opener: Opener;
  readonly #replay: ReplayWindow;
  readonly #timings: WireGuardTimings;
  readonly #limits: MessageLimits;
  #sendCounter = 0;
  #rekeyAskedAtMs = Number.NEGATIVE_INFINITY;

  constructor(installation: KeypairInstallation, deps: KeypairDeps) {
    this.peer = installation.peer;
    this.slot = installation.slot;
    this.localIndex = installation.localIndex;
    this.remoteIndex = installation.remoteIndex;
    this.isInitiator = installation.isInitiator;
    this.createdAtMs = installation.createdAtMs;
    this.#sealer = deps.provider.createSealer(deps.slots.sendKey(installation.slot));
    this.#opener = deps.provider.createOpener(deps.slots.receiveKey(installation.slot));
    this.#replay = new ReplayWindow(deps.limits.rejectAfterMessages);
    this.#timings = deps.timings;
    this.#limits = deps.limits;
  }

  /** The counter of the next message, and so how many were sealed. */
  get sendCounter(): number {
    return this.#sendCounter;
  }

  /**
   * Seals a run of messages in place, laid out as `AeadProvider` draws it: payloads stand at `offset + i * strideBytes
   * + 16`; headers, counters and tags are written here. False, and nothing done, when the keypair has no counters left
   * (Reject-After-Messages). Ask `isExpired` first for the age.
   */
  seal(arena: Uint8Array, offset: number, strideBytes: number, count: number, lastBytes: number): boolean {
    const firstCounter = this.#sendCounter;
    if (firstCounter + count > this.#limits.rejectAfterMessages) return false;
    for (let i = 0; i < count; i++) writeDataHeader(arena, offset + i * strideBytes, this.remoteIndex);
    this.#sendCounter = firstCounter + count;
    this.#sealer.seal(arena, offset, strideBytes, count, lastBytes, firstCounter);
    return true;
  }

  /**
   * Opens a run of messages that all carry our index, in place; `verdicts[i]` becomes an `OpenVerdict`. Returns how many
   * messages there were. The counter of each authentic message is taken. Ask `isExpired` first for the age.
   */
  open(arena: Uint8Array, offset: number, totalBytes: number, strideBytes: number, verdicts: Uint8Array): number {
    const count = this.#opener.open(arena, offset, totalBytes, strideBytes, verdicts);
    for (let i = 0; i < count; i++) {
      if (verdicts[i] === OpenVerdict.forged) continue;
      const isFresh = this.#replay.commit(readCounter(arena, offset + i * strideBytes));
      verdicts[i] = isFresh ? OpenVerdict.fresh : OpenVerdict.replayed;
    }
    return count;
  }

  /** Only a hint, before the price of opening is paid: nothing is known of the message at `offset` until it is open. */
  looksFresh(arena: Uint8Array, offset: number): boolean {
    return this.#replay.isFresh(readCounter(arena, offset));
  }

  /** Older than Reject-After-Time, or out of counters: neither send nor receive on it. */
  isExpired(nowMs: number): boolean {
    return (
      nowMs - this.createdAtMs >= this.#timings.rejectAfterMs || this.#sendCounter >= this.#limits.rejectAfterMessages
    );
  }

  /**
   * After sending: whether to ask the control thread for a handshake. The initiator does by age, either side by count.
   * True at most once in a Rekey-Timeout, so that a busy sender does not flood the control thread.
   */
  wantsRekeyAfterSend(nowMs: number): boolean {
    const isDue =
      this.#sendCounter >= this.#limits.rekeyAfterMessages ||
      (this.isInitiator && nowMs - this.createdAtMs >= this.#timings.rekeyAfterMs);
    return isDue && this.#mayAskForRekey(nowMs);
  }

  /**
   * After receiving: the initiator of a session that dies within Keepalive-Timeout + Rekey-Timeout asks even when it has
   * nothing to send, so that a one-way flow towards it goes on. True at most once in a Rekey-Timeout.
   */
  wantsRekeyAfterReceive(nowMs: number): boolean {
    const { rejectAfterMs, keepaliveTimeoutMs, rekeyTimeoutMs } = this.#timings;
    const isDue = this.isInitiator && nowMs - this.createdAtMs >= rejectAfterMs - keepaliveTimeoutMs - rekeyTimeoutMs;
    return isDue && this.#mayAskForRekey(nowMs);
  }

  /** Frees the contexts; the slot is the owner's to wipe. */
  dispose(): void {
    this.#sealer.dispose();
    this.#opener.dispose();
  }

  #mayAskForRekey(nowMs: number): boolean {
    if (nowMs - this.#rekeyAskedAtMs < this.#timings.rekeyTimeoutMs) return false;
    this.#rekeyAskedAtMs = nowMs;
    return true;
  }
}
