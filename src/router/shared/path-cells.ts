import type { PathCounters } from "../paths/events.ts";

/** Paths of one peer that the data thread can hold at once. */
export const MAX_PATHS = 16;
const PATH_NUMBERS = Array.from({ length: MAX_PATHS }, (_, path) => path);

/** A data message of at least this plaintext size counts as a large one: what a path with a small MTU loses. */
export const LARGE_BYTES = 1000;

/**
 * Cells of one path of one peer: what the data thread knows of it and path selection needs. One writer, the data thread;
 * aligned 64-bit floats, as in `PeerCells`. "Data" is a message that carries an IP packet: no keepalive, no probe.
 */
export const PathCell = {
  /** `Clock.monotonicMs` of the last authenticated message of any kind that came by this path; 0 for never. */
  lastReceivedMs: 0,
  rxData: 1,
  rxLarge: 2,
  txData: 3,
  txLarge: 4,
  /** When the last data message left by this path; 0 for never. */
  lastDataSentMs: 5,
  lastDataReceivedMs: 6,
} as const;
export type PathCell = (typeof PathCell)[keyof typeof PathCell];

const CELLS_PER_PATH = 8;

export class PathCells {
  readonly buffer: SharedArrayBuffer;
  readonly #values: Float64Array;

  /** `source`: the number of peers, or the memory of the other thread's table. */
  constructor(source: number | SharedArrayBuffer) {
    this.buffer = typeof source === "number" ? new SharedArrayBuffer(source * MAX_PATHS * CELLS_PER_PATH * 8) : source;
    this.#values = new Float64Array(this.buffer);
  }

  base(peer: number, path: number): number {
    return (peer * MAX_PATHS + path) * CELLS_PER_PATH;
  }

  get(peer: number, path: number, cell: PathCell): number {
    return this.#values[this.base(peer, path) + cell]!;
  }

  /** For path selection: what is counted for one peer. */
  countersOf(peer: number): PathCounters {
    const of = (cell: PathCell) => (path: number) => this.get(peer, path, cell);
    const newest = (cell: PathCell) => () => Math.max(...PATH_NUMBERS.map(of(cell)));
    return {
      txData: of(PathCell.txData),
      txLarge: of(PathCell.txLarge),
      rxData: of(PathCell.rxData),
      lastReceivedMs: of(PathCell.lastReceivedMs),
      lastDataSentMs: newest(PathCell.lastDataSentMs),
      lastDataReceivedMs: newest(PathCell.lastDataReceivedMs),
    };
  }

  clear(peer: number, path: number): void {
    const base = this.base(peer, path);
    this.#values.fill(0, base, base + CELLS_PER_PATH);
  }

  /** `messages` data messages went out by the path at `base`, `large` of them large. */
  recordSent(base: number, messages: number, large: number, nowMs: number): void {
    const values = this.#values;
    values[base + PathCell.txData] = values[base + PathCell.txData]! + messages;
    values[base + PathCell.txLarge] = values[base + PathCell.txLarge]! + large;
    values[base + PathCell.lastDataSentMs] = nowMs;
  }

  /** Authenticated messages came in by the path at `base`, `data` of them data, of these `large` large. */
  recordReceived(base: number, data: number, large: number, nowMs: number): void {
    const values = this.#values;
    values[base + PathCell.lastReceivedMs] = nowMs;
    if (data === 0) return;
    values[base + PathCell.rxData] = values[base + PathCell.rxData]! + data;
    values[base + PathCell.rxLarge] = values[base + PathCell.rxLarge]! + large;
    values[base + PathCell.lastDataReceivedMs] = nowMs;
  }
}
