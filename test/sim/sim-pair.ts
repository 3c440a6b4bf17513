import type { TransportName } from "../../src/base/transports.ts";
import { Link, type LinkOptions } from "./link.ts";
import { SimPeer } from "./sim-peer.ts";
import { seededRandom, VirtualTime } from "./virtual-time.ts";

/** Round trips that SSH takes to connect. */
const CONNECT_RTTS = 6;

export interface SimPairOptions {
  readonly links: readonly LinkOptions[];
  readonly seed?: number;
  /** Several pairs may share one clock. */
  readonly time?: VirtualTime;
  readonly leader?: 0 | 1;
}

/** A steady stream of messages from one peer to the other, and what became of it. */
export class Flow {
  readonly #id: number;
  readonly #sender: SimPeer;
  readonly #receiver: SimPeer;
  readonly #time: VirtualTime;
  readonly #sizeBytes: number;
  #sent = 0;
  #isStopped = false;

  constructor(id: number, sender: SimPeer, time: VirtualTime, intervalMs: number, sizeBytes: number) {
    this.#id = id;
    this.#sender = sender;
    this.#receiver = sender.other;
    this.#time = time;
    this.#sizeBytes = sizeBytes;
    this.#next(intervalMs);
  }

  get sent(): number {
    return this.#sent;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** How many were never delivered, of those that had the time to be. */
  lost(): number {
    return this.#sent - this.#receiver.delivered.filter(({ flow }) => flow === this.#id).length;
  }

  /** The longest time without a delivery that touches this span. */
  longestGapMs(fromMs: number, toMs = this.#time.nowMs): number {
    const times = this.#receiver.delivered.filter(({ flow }) => flow === this.#id).map(({ atMs }) => atMs);
    let longestMs = 0;
    for (let i = 0; i <= times.length; i++) {
      const [startMs, endMs] = [times[i - 1] ?? fromMs, times[i] ?? toMs];
      if (endMs >= fromMs && startMs <= toMs) longestMs = Math.max(longestMs, endMs - startMs);
    }
    return longestMs;
  }

  #next(intervalMs: number): void {
    this.#time.after(intervalMs, () => {
      if (this.#isStopped) return;
      this.#sender.sendData(this.#id, this.#sent++, this.#sizeBytes);
      this.#next(intervalMs);
    });
  }
}

/** Two peers and the paths between them. */
export class SimPair {
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly links: readonly Link[];
  readonly peers: readonly [SimPeer, SimPeer];
  #flows = 0;

  constructor({ links, seed = 1, time = new VirtualTime(), leader = 0 }: SimPairOptions) {
    this.time = time;
    this.random = seededRandom(seed);
    this.links = links.map((options) => new Link(options, time, this.random));
    const onWant = (transport: TransportName) => this.#connectPipe(transport);
    const make = (direction: 0 | 1) =>
      new SimPeer({ direction, links: this.links, time, leads: direction === leader, jitter: this.random(), onWant });
    this.peers = [make(0), make(1)];
    this.peers[0].other = this.peers[1];
    this.peers[1].other = this.peers[0];
  }

  /** The handshake was answered by this path. */
  connect(linkIndex: number): void {
    for (const peer of this.peers) peer.comeUp(peer.idOf(linkIndex));
  }

  /** Messages every `intervalMs` from the peer of this number. */
  flow(from: 0 | 1, intervalMs: number, sizeBytes = 100): Flow {
    return new Flow(this.#flows++, this.peers[from], this.time, intervalMs, sizeBytes);
  }

  /** A pipe that is wanted connects, when it can. */
  #connectPipe(transport: TransportName): void {
    const link = this.links.find((each) => each.transport === transport && each.canConnect && !each.isOpen);
    if (link === undefined) return;
    this.time.after(CONNECT_RTTS * link.rttMs, () => {
      if (link.canConnect && !link.isOpen) this.setOpen(link, true);
    });
  }

  /** A pipe connects or loses its connection, and both ends notice. */
  setOpen(link: Link, isOpen: boolean): void {
    link.isOpen = isOpen;
    const index = this.links.indexOf(link);
    for (const peer of this.peers) peer.tell({ type: "open", id: peer.idOf(index), isOpen });
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function figures(values: readonly number[]): string {
  const of = (value: number) => value.toFixed(0);
  return `median ${of(median(values))} ms, ${of(Math.min(...values))}–${of(Math.max(...values))} ms of ${values.length}`;
}
