import { DROP_REASONS, type DropReason } from "./drop-reasons.ts";

/** What the data thread moved in all. A TUN frame may be a superpacket; a receive or send may be a row of datagrams. */
export const INTERFACE_COUNTERS = [
  "tunFramesRead",
  "tunBytesRead",
  "tunFramesWritten",
  "messagesSealed",
  "messagesOpened",
  "datagramsSent",
  "datagramsReceived",
  "sendCalls",
  "receiveCalls",
  "sendFailures",
  "receiveFailures",
] as const;
export type InterfaceCounter = (typeof INTERFACE_COUNTERS)[number];

/** What the data thread does between two sleeps. */
export const DATA_STAGES = ["commands", "outbound", "inbound"] as const;
export type DataStage = (typeof DATA_STAGES)[number];

const CELLS = DROP_REASONS.length + INTERFACE_COUNTERS.length + DATA_STAGES.length;

const NO_DROPS: Readonly<Partial<Record<DropReason, number>>> = {};

const dropIndex = Object.fromEntries(DROP_REASONS.map((reason, index) => [reason, index])) as Record<
  DropReason,
  number
>;
const interfaceIndex = Object.fromEntries(INTERFACE_COUNTERS.map((name, index) => [name, index])) as Record<
  InterfaceCounter,
  number
>;

const stageIndex: Readonly<Record<DataStage, number>> = { commands: 0, outbound: 1, inbound: 2 };

/**
 * Counters in memory that the two threads share. One writer, the data thread; each is an aligned 64-bit float, so a
 * reader never sees half a value. Drops are counted for the interface, and where a peer is known for that peer as well: its
 * memory is touched by a drop alone, and is none of this machine's before the first one.
 */
export class Counters {
  readonly buffer: SharedArrayBuffer;
  readonly #drops: Float64Array;
  readonly #interface: Float64Array;
  readonly #stageMs: Float64Array;
  readonly #peerDrops: Float64Array;

  /** `source`: the number of peers, or the memory of the other thread's. */
  constructor(source: number | SharedArrayBuffer) {
    this.buffer =
      typeof source === "number" ? new SharedArrayBuffer(8 * (CELLS + source * DROP_REASONS.length)) : source;
    this.#drops = new Float64Array(this.buffer, 0, DROP_REASONS.length);
    this.#interface = new Float64Array(this.buffer, 8 * DROP_REASONS.length, INTERFACE_COUNTERS.length);
    this.#stageMs = new Float64Array(this.buffer, 8 * (CELLS - DATA_STAGES.length), DATA_STAGES.length);
    this.#peerDrops = new Float64Array(this.buffer, 8 * CELLS);
  }

  drop(reason: DropReason, packets = 1): void {
    const index = dropIndex[reason];
    this.#drops[index] = this.#drops[index]! + packets;
  }

  /** What was to go to the peer of this index, or came from it; counts for the interface as well. */
  dropOf(peer: number, reason: DropReason, packets = 1): void {
    this.drop(reason, packets);
    const index = peer * DROP_REASONS.length + dropIndex[reason];
    this.#peerDrops[index] = this.#peerDrops[index]! + packets;
  }

  /** The index is free for another peer. */
  clearPeer(peer: number): void {
    this.#peerDrops.fill(0, peer * DROP_REASONS.length, (peer + 1) * DROP_REASONS.length);
  }

  add(name: InterfaceCounter, amount: number): void {
    const index = interfaceIndex[name];
    this.#interface[index] = this.#interface[index]! + amount;
  }

  set(name: InterfaceCounter, value: number): void {
    this.#interface[interfaceIndex[name]] = value;
  }

  spend(stage: DataStage, ms: number): void {
    const index = stageIndex[stage];
    this.#stageMs[index] = this.#stageMs[index]! + ms;
  }

  drops(): Record<DropReason, number> {
    const entries = DROP_REASONS.map((reason, index) => [reason, this.#drops[index]!] as const);
    return Object.fromEntries(entries) as Record<DropReason, number>;
  }

  /** Those reasons for which there was a drop. */
  dropsOf(peer: number): Readonly<Partial<Record<DropReason, number>>> {
    const base = peer * DROP_REASONS.length;
    let drops: Partial<Record<DropReason, number>> | undefined;
    for (let i = 0; i < DROP_REASONS.length; i++) {
      const packets = this.#peerDrops[base + i]!;
      if (packets === 0) continue;
      drops ??= {};
      drops[DROP_REASONS[i]!] = packets;
    }
    return drops ?? NO_DROPS;
  }

  interface(): Record<InterfaceCounter, number> {
    const entries = INTERFACE_COUNTERS.map((name, index) => [name, this.#interface[index]!] as const);
    return Object.fromEntries(entries) as Record<InterfaceCounter, number>;
  }

  /** How long the data thread was at each stage, milliseconds. */
  stagesMs(): Record<DataStage, number> {
    const entries = DATA_STAGES.map((stage, index) => [stage, this.#stageMs[index]!] as const);
    return Object.fromEntries(entries) as Record<DataStage, number>;
  }
}
