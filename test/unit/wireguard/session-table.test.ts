import { beforeEach, describe, expect, it } from "vitest";
import { nobleProvider } from "../../../src/wireguard/aead/noble.ts";
import { WHITEPAPER_TIMINGS } from "../../../src/wireguard/constants.ts";
import { Keypair, OpenVerdict } from "../../../src/wireguard/keypair.ts";
import { MESSAGE_LIMITS } from "../../../src/wireguard/limits.ts";
import { SessionTable } from "../../../src/wireguard/session-table.ts";
import { KeySlots, PeerCell, PeerCells } from "../../../src/wireguard/shared-state.ts";

const PEER = 1;
const BORN_MS = 5000;
const { rejectAfterMs, rekeyAfterMs, rekeyTimeoutMs, keepaliveTimeoutMs } = WHITEPAPER_TIMINGS;

let slots: KeySlots;
let cells: PeerCells;
let wiped: number[];
let table: SessionTable;

beforeEach(() => {
  slots = new KeySlots(8);
  cells = new PeerCells(4);
  wiped = [];
  table = new SessionTable({
    provider: nobleProvider,
    slots,
    cells,
    timings: WHITEPAPER_TIMINGS,
    limits: MESSAGE_LIMITS,
    onSlotWiped: (slot) => wiped.push(slot),
  });
});

/** Installs a keypair whose local index is 1000 + slot. */
function install(slot: number, isInitiator: boolean, createdAtMs = BORN_MS): void {
  slots.sendKey(slot).fill(slot + 1);
  slots.receiveKey(slot).fill(slot + 1);
  table.install({ peer: PEER, slot, localIndex: indexOf(slot), remoteIndex: 7, isInitiator, createdAtMs });
}

function indexOf(slot: number): number {
  return 0xfffff000 + slot;
}

function keypairIn(slot: number): Keypair {
  const keypair = table.byReceiverIndex(indexOf(slot));
  if (keypair === undefined) throw new Error(`no keypair in slot ${slot}`);
  return keypair;
}

function isKnown(slot: number): boolean {
  return table.byReceiverIndex(indexOf(slot)) !== undefined;
}

describe("the session table", () => {
  it("the initiator's keypair is current at once and pushes the older ones back", () => {
    install(0, true);
    install(1, true);
    install(2, true);
    expect(table.usable(PEER, BORN_MS)?.slot).toBe(2);
    expect([isKnown(0), isKnown(1), isKnown(2)]).toEqual([false, true, true]);
    expect(wiped).toEqual([0]);
    expect(slots.isWiped(0)).toBe(true);
    expect(slots.isWiped(1)).toBe(false);
  });

  it("the responder's keypair is not sent on before it is confirmed", () => {
    install(0, false);
    expect(table.usable(PEER, BORN_MS)).toBeUndefined();
    expect(table.confirm(keypairIn(0))).toBe(true);
    expect(table.usable(PEER, BORN_MS)?.slot).toBe(0);
    expect(table.confirm(keypairIn(0))).toBe(false);
  });

  it("confirmation makes next current, current previous, and wipes previous", () => {
    install(0, true);
    install(1, true);
    install(2, false);
    expect(table.usable(PEER, BORN_MS)?.slot).toBe(1);
    expect(table.confirm(keypairIn(2))).toBe(true);
    expect(table.usable(PEER, BORN_MS)?.slot).toBe(2);
    expect([isKnown(0), isKnown(1), isKnown(2)]).toEqual([false, true, true]);
    expect(wiped).toEqual([0]);
  });

  it("a second next replaces the first", () => {
    install(0, true);
    install(1, false);
    install(2, false);
    expect([isKnown(0), isKnown(1), isKnown(2)]).toEqual([true, false, true]);
    expect(wiped).toEqual([1]);
  });

  it("after crossing initiations the peer's keypair stays readable", () => {
    install(0, true);
    install(1, false);
    install(2, true);
    expect(table.usable(PEER, BORN_MS)?.slot).toBe(2);
    expect([isKnown(0), isKnown(1), isKnown(2)]).toEqual([false, true, true]);
    expect(table.confirm(keypairIn(1))).toBe(false);
    expect(table.usable(PEER, BORN_MS)?.slot).toBe(2);
  });

  it("removal wipes the slot, whichever of the three it is, and nothing else", () => {
    install(0, true);
    install(1, true);
    install(2, false);
    for (const slot of [1, 0, 2]) {
      table.remove(PEER, slot);
      expect(isKnown(slot)).toBe(false);
      expect(slots.isWiped(slot)).toBe(true);
    }
    table.remove(PEER, 1);
    table.remove(3, 1);
    expect(wiped).toEqual([1, 0, 2]);
    expect(table.size).toBe(0);
  });

  it("clearing wipes all", () => {
    install(0, true);
    install(1, false);
    table.clear();
    expect(slots.isWiped(0) && slots.isWiped(1)).toBe(true);
    expect(table.usable(PEER, BORN_MS)).toBeUndefined();
  });

  it("a new keypair answers what was sent before", () => {
    cells.set(PEER, PeerCell.firstUnansweredSentMs, 123);
    install(0, true);
    expect(cells.get(PEER, PeerCell.firstUnansweredSentMs)).toBe(0);
  });

  it("a session beyond Reject-After-Time is not usable", () => {
    install(0, true);
    expect(table.usable(PEER, BORN_MS + rejectAfterMs - 1)?.slot).toBe(0);
    expect(table.usable(PEER, BORN_MS + rejectAfterMs)).toBeUndefined();
  });
});

describe("a keypair", () => {
  const STRIDE = 64;

  it("opens what its mirror seals: fresh once, replayed after, forged when changed", () => {
    install(0, true);
    const keypair = keypairIn(0);
    const arena = new Uint8Array(3 * STRIDE);
    expect(keypair.seal(arena, 0, STRIDE, 3, STRIDE)).toBe(true);
    expect(keypair.sendCounter).toBe(3);
    const copy = arena.slice();
    copy[2 * STRIDE + 20] = (copy[2 * STRIDE + 20] as number) ^ 1;
    const verdicts = new Uint8Array(3);
    expect(keypair.looksFresh(copy, 0)).toBe(true);
    expect(keypair.open(copy, 0, copy.length, STRIDE, verdicts)).toBe(3);
    expect([...verdicts]).toEqual([OpenVerdict.fresh, OpenVerdict.fresh, OpenVerdict.forged]);
    expect(keypair.looksFresh(arena, 0)).toBe(false);
    keypair.open(arena, 0, arena.length, STRIDE, verdicts);
    expect([...verdicts]).toEqual([OpenVerdict.replayed, OpenVerdict.replayed, OpenVerdict.fresh]);
  });

  it("a forged counter does not move the window", () => {
    install(0, true);
    const keypair = keypairIn(0);
    const arena = new Uint8Array(STRIDE);
    keypair.seal(arena, 0, STRIDE, 1, STRIDE);
    const forged = arena.slice();
    forged[8 + 4] = 0xff;
    const verdicts = new Uint8Array(1);
    keypair.open(forged, 0, STRIDE, STRIDE, verdicts);
    expect(verdicts[0]).toBe(OpenVerdict.forged);
    keypair.open(arena, 0, STRIDE, STRIDE, verdicts);
    expect(verdicts[0]).toBe(OpenVerdict.fresh);
  });

  it("seals nothing beyond Reject-After-Messages and asks for a new one after Rekey-After-Messages", () => {
    const limits = { rekeyAfterMessages: 3, rejectAfterMessages: 5 };
    const installation = { peer: 0, slot: 0, localIndex: 1, remoteIndex: 2, isInitiator: false, createdAtMs: BORN_MS };
    const keypair = new Keypair(installation, { provider: nobleProvider, slots, timings: WHITEPAPER_TIMINGS, limits });
    const arena = new Uint8Array(4 * STRIDE);
    expect(keypair.seal(arena, 0, STRIDE, 2, STRIDE)).toBe(true);
    expect(keypair.wantsRekeyAfterSend(BORN_MS)).toBe(false);
    expect(keypair.seal(arena, 0, STRIDE, 1, STRIDE)).toBe(true);
    expect(keypair.wantsRekeyAfterSend(BORN_MS)).toBe(true);
    expect(keypair.seal(arena, 0, STRIDE, 3, STRIDE)).toBe(false);
    expect(keypair.sendCounter).toBe(3);
    expect(keypair.isExpired(BORN_MS)).toBe(false);
    expect(keypair.seal(arena, 0, STRIDE, 2, STRIDE)).toBe(true);
    expect(keypair.isExpired(BORN_MS)).toBe(true);
  });

  it("the initiator asks after Rekey-After-Time when it sends, at most once in a Rekey-Timeout", () => {
    install(0, true);
    const keypair = keypairIn(0);
    expect(keypair.wantsRekeyAfterSend(BORN_MS + rekeyAfterMs - 1)).toBe(false);
    expect(keypair.wantsRekeyAfterSend(BORN_MS + rekeyAfterMs)).toBe(true);
    expect(keypair.wantsRekeyAfterSend(BORN_MS + rekeyAfterMs + rekeyTimeoutMs - 1)).toBe(false);
    expect(keypair.wantsRekeyAfterSend(BORN_MS + rekeyAfterMs + rekeyTimeoutMs)).toBe(true);
  });

  it("the initiator asks when it receives shortly before the end", () => {
    install(0, true);
    const lastMinuteMs = BORN_MS + rejectAfterMs - keepaliveTimeoutMs - rekeyTimeoutMs;
    expect(keypairIn(0).wantsRekeyAfterReceive(lastMinuteMs - 1)).toBe(false);
    expect(keypairIn(0).wantsRekeyAfterReceive(lastMinuteMs)).toBe(true);
  });

  it("the responder never asks by age", () => {
    install(0, false);
    expect(keypairIn(0).wantsRekeyAfterSend(BORN_MS + rejectAfterMs)).toBe(false);
    expect(keypairIn(0).wantsRekeyAfterReceive(BORN_MS + rejectAfterMs)).toBe(false);
  });
});
