/** What a waiting frame costs beside its bytes: objects, and a buffer's slack. A queue of tiny frames is bounded by it. */
const FRAME_OVERHEAD_BYTES = 256;

interface Flow {
  frames: Buffer[];
  /** Index of the oldest frame; those before it are gone. */
  head: number;
  costBytes: number;
  /** What the flow may still send in this round. */
  creditBytes: number;
}

/**
 * Frames of several flows that wait for one connection. Deficit round robin (Shreedhar and Varghese, 1995) takes them out:
 * each flow gets an equal share of the bytes. The queue is bounded; when it is full the oldest frame of the flow that
 * fills it has to go, so a flood pushes out itself.
 */
export class FairQueue {
  #capacityBytes: number;
  #quantumBytes: number;
  /** Flows with frames; the one whose turn it is comes first. */
  #flows = new Map<string, Flow>();
  #costBytes = 0;

  /** @param quantumBytes what each flow may send before it is the next one's turn */
  constructor(capacityBytes: number, quantumBytes = 2048) {
    this.#capacityBytes = capacityBytes;
    this.#quantumBytes = quantumBytes;
  }

  /** What the frames take in memory; never above the capacity by more than one frame. */
  get costBytes(): number {
    return this.#costBytes;
  }

  get isEmpty(): boolean {
    return this.#flows.size === 0;
  }

  flows(): IterableIterator<string> {
    return this.#flows.keys();
  }

  /** Appends `frame`; returns the number of older frames that had to go. */
  push(name: string, frame: Buffer): number {
    const cost = frame.length + FRAME_OVERHEAD_BYTES;
    let dropped = 0;
    while (this.#costBytes + cost > this.#capacityBytes && this.#flows.size > 0) {
      this.#dropOldest(this.#victim(name));
      dropped++;
    }
    let flow = this.#flows.get(name);
    if (flow === undefined) {
      flow = { frames: [], head: 0, costBytes: 0, creditBytes: 0 };
      this.#flows.set(name, flow);
    }
    flow.frames.push(frame);
    flow.costBytes += cost;
    this.#costBytes += cost;
    return dropped;
  }

  /** The next frame in fair order. */
  shift(): Buffer | undefined {
    for (const [name, flow] of this.#flows) {
      const frame = flow.frames[flow.head] as Buffer;
      if (flow.creditBytes >= frame.length) {
        flow.creditBytes -= frame.length;
        this.#removeOldest(name, flow);
        return frame;
      }
      // The end of its turn: the iteration comes by again, after the others.
      flow.creditBytes += this.#quantumBytes;
      this.#flows.delete(name);
      this.#flows.set(name, flow);
    }
    return undefined;
  }

  /** Takes a flow out; returns how many frames it had. */
  remove(name: string): number {
    const flow = this.#flows.get(name);
    if (flow === undefined) return 0;
    this.#flows.delete(name);
    this.#costBytes -= flow.costBytes;
    return flow.frames.length - flow.head;
  }

  clear(): number {
    let count = 0;
    for (const name of this.#flows.keys()) count += this.remove(name);
    return count;
  }

  /** The flow that pushes, when it holds its share already; else the one that holds most. */
  #victim(pushing: string): string {
    const own = this.#flows.get(pushing)?.costBytes ?? 0;
    if (own * this.#flows.size >= this.#costBytes) return pushing;
    let longest = pushing;
    let mostBytes = own;
    for (const [name, { costBytes }] of this.#flows) {
      if (costBytes <= mostBytes) continue;
      longest = name;
      mostBytes = costBytes;
    }
    return longest;
  }

  #dropOldest(name: string): void {
    const flow = this.#flows.get(name);
    if (flow !== undefined) this.#removeOldest(name, flow);
  }

  #removeOldest(name: string, flow: Flow): void {
    const frame = flow.frames[flow.head] as Buffer;
    const cost = frame.length + FRAME_OVERHEAD_BYTES;
    flow.costBytes -= cost;
    this.#costBytes -= cost;
    flow.frames[flow.head++] = EMPTY;
    if (flow.head === flow.frames.length) {
      // A flow without frames keeps no credit.
      this.#flows.delete(name);
    } else if (flow.head >= 64 && flow.head * 2 >= flow.frames.length) {
      flow.frames.splice(0, flow.head);
      flow.head = 0;
    }
  }
}

const EMPTY = Buffer.alloc(0);
