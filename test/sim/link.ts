import type { TransportName } from "../../src/base/transports.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A message of the session; `counter` is WireGuard's. */
export type SimMessage =
  | { readonly kind: "initiation" | "response" | "keepalive" }
  | {
      readonly kind: "data";
      readonly counter: number;
      readonly sizeBytes: number;
      readonly flow: number;
      readonly number: number;
    }
  | { readonly kind: "request"; readonly sequence: number; readonly sentMs: number; readonly isPrimary: boolean }
  | {
      readonly kind: "reply";
      readonly sequence: number;
      readonly sentMs: number;
      readonly rxData: number;
      readonly rxLarge: number;
      readonly isPrimary: boolean;
    };

export const LARGE_BYTES = 1000;

const NO_LIMIT = Number.POSITIVE_INFINITY;

const NO_TROUBLE = { dropsAll: false, dropsData: false, dropsLarge: false, maxPerSecond: NO_LIMIT };

/** What happens to messages that go one way. */
export interface Way {
  /** One-way delay, and at most so much more by chance. */
  delayMs: number;
  jitterMs: number;
  /** Share of the messages that are lost by chance. */
  loss: number;
  dropsAll: boolean;
  dropsData: boolean;
  dropsLarge: boolean;
  /** What comes faster is dropped, as by a policer. */
  maxPerSecond: number;
}

/** A policer lets so much of a second pass at once. */
const BURST_SECONDS = 0.1;

export interface LinkOptions {
  readonly transport: TransportName;
  readonly rttMs: number;
  readonly label?: string;
  readonly jitterMs?: number;
  readonly loss?: number;
}

/** A path between two peers: two ways, each with troubles of its own. What is dropped is dropped without a word. */
export class Link {
  readonly transport: TransportName;
  readonly label: string;
  readonly ways: readonly [Way, Way];
  /** Whether the pipe is connected; UDP always is. */
  isOpen: boolean;
  /** Whether it would connect when it is wanted. */
  canConnect: boolean;
  readonly #usualLoss: number;
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #buckets = new Map<Way, { readonly tokens: number; readonly atMs: number }>();

  constructor(
    { transport, rttMs, label, jitterMs = 0, loss = 0 }: LinkOptions,
    time: VirtualTime,
    random: () => number,
  ) {
    this.transport = transport;
    this.label = label ?? transport;
    this.isOpen = transport !== "ssh";
    this.canConnect = transport === "ssh";
    const way = () => ({
      delayMs: rttMs / 2,
      jitterMs,
      loss,
      ...NO_TROUBLE,
    });
    this.ways = [way(), way()];
    this.#usualLoss = loss;
    this.#time = time;
    this.#random = random;
  }

  get rttMs(): number {
    return this.ways[0].delayMs + this.ways[1].delayMs;
  }

  /** Passes everything that is sent this way, but for chance, and what shows the sender that it does. */
  carries(direction: 0 | 1): boolean {
    const { dropsAll, dropsData, dropsLarge } = this.ways[direction];
    return this.isOpen && !dropsAll && !dropsData && !dropsLarge && !this.ways[direction === 0 ? 1 : 0].dropsAll;
  }

  get isSound(): boolean {
    return this.carries(0) && this.carries(1);
  }

  /** All troubles of both ways or of one. */
  set(trouble: Partial<Way>, ways: readonly (0 | 1)[] = [0, 1]): void {
    for (const way of ways) Object.assign(this.ways[way], trouble);
  }

  heal(): void {
    this.set({ ...NO_TROUBLE, loss: this.#usualLoss });
  }

  send(direction: 0 | 1, message: SimMessage, deliver: (message: SimMessage) => void): void {
    const way = this.ways[direction];
    if (!this.isOpen || this.#isDropped(way, message)) return;
    this.#time.after(way.delayMs + way.jitterMs * this.#random(), () => {
      // Trouble that begins now takes what is on the way, too.
      if (this.isOpen && !way.dropsAll) deliver(message);
    });
  }

  #isTooFast(way: Way): boolean {
    const { maxPerSecond } = way;
    if (maxPerSecond === NO_LIMIT) return false;
    const { nowMs } = this.#time;
    const bucket = this.#buckets.get(way) ?? { tokens: 0, atMs: nowMs };
    const earned = ((nowMs - bucket.atMs) / 1000) * maxPerSecond;
    const tokens = Math.min(bucket.tokens + earned, maxPerSecond * BURST_SECONDS);
    this.#buckets.set(way, { tokens: tokens < 1 ? tokens : tokens - 1, atMs: nowMs });
    return tokens < 1;
  }

  #isDropped(way: Way, message: SimMessage): boolean {
    if (way.dropsAll || this.#random() < way.loss || this.#isTooFast(way)) return true;
    if (message.kind !== "data") return false;
    return way.dropsData || (way.dropsLarge && message.sizeBytes >= LARGE_BYTES);
  }
}
