/**
 * Memory that the control thread and the data thread share. Two tables:
 *
 * - key slots: the two session keys of one keypair. The control thread writes them, the data thread wipes them when the
 *   keypair goes; they are never cloned into a message.
 * - peer cells: what the data thread knows of a peer and the timers (whitepaper §6) need. Each cell has one writer, the
 *   data thread, and is an aligned 64-bit float, so a reader never sees half a value.
 */
const KEY_BYTES = 32;
const SLOT_BYTES = 2 * KEY_BYTES;

export class KeySlots {
  readonly buffer: SharedArrayBuffer;
  readonly count: number;
  readonly #bytes: Uint8Array;

  constructor(source: number | SharedArrayBuffer) {
    this.buffer = typeof source === "number" ? new SharedArrayBuffer(source * SLOT_BYTES) : source;
    this.#bytes = new Uint8Array(this.buffer);
    this.count = this.#bytes.length / SLOT_BYTES;
  }

  sendKey(slot: number): Uint8Array {
    return this.#bytes.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + KEY_BYTES);
  }

  receiveKey(slot: number): Uint8Array {
    return this.#bytes.subarray(slot * SLOT_BYTES + KEY_BYTES, (slot + 1) * SLOT_BYTES);
  }

  wipe(slot: number): void {
    this.#bytes.fill(0, slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
  }

  isWiped(slot: number): boolean {
    return this.#bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES).every((byte) => byte === 0);
  }
}

/** Cells of one peer. Times are `Clock.monotonicMs`, 0 for never; "data" means a message with a payload, not a keepalive. */
export const PeerCell = {
  /** When the first data message left that no authenticated message has answered yet; 0 when all is answered. */
  firstUnansweredSentMs: 0,
  /** When the first data message arrived after which we have sent nothing; 0 when all is acknowledged. */
  firstUnacknowledgedReceivedMs: 1,
  /** Any authenticated message, keepalives included. */
  lastSentMs: 2,
  lastReceivedMs: 3,
  /** Bytes of WireGuard data messages on the wire, headers and tags included. */
  txBytes: 4,
  rxBytes: 5,
  txMessages: 6,
  rxMessages: 7,
} as const;
export type PeerCell = (typeof PeerCell)[keyof typeof PeerCell];

const CELLS_PER_PEER = 16;

export class PeerCells {
  readonly buffer: SharedArrayBuffer;
  readonly count: number;
  /** For the packet path, which indexes by `base(peer) + PeerCell.x`. */
  readonly values: Float64Array;

  constructor(source: number | SharedArrayBuffer) {
    this.buffer = typeof source === "number" ? new SharedArrayBuffer(source * CELLS_PER_PEER * 8) : source;
    this.values = new Float64Array(this.buffer);
    this.count = this.values.length / CELLS_PER_PEER;
  }

  base(peer: number): number {
    return peer * CELLS_PER_PEER;
  }

  get(peer: number, cell: PeerCell): number {
    return this.values[peer * CELLS_PER_PEER + cell] ?? 0;
  }

  set(peer: number, cell: PeerCell, value: number): void {
    this.values[peer * CELLS_PER_PEER + cell] = value;
  }

  clear(peer: number): void {
    this.values.fill(0, peer * CELLS_PER_PEER, (peer + 1) * CELLS_PER_PEER);
  }
}
