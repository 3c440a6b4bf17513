import type { TransportName } from "../../src/base/transports.ts";
import { type PathAction, type PathEvent, PeerPaths } from "../../src/router/paths/peer-paths.ts";
import { LARGE_BYTES, type Link, type SimMessage } from "./link.ts";
import type { VirtualTime } from "./virtual-time.ts";

const MAX_PATHS = 16;
/** As the replay window of the session table. */
const REPLAY_WINDOW = 8128;
/** The data thread tells of data after so long a pause. */
const PAUSE_MS = 2000;
/** A session that nothing went by for this long is over: nobody renews it (whitepaper §6.2). */
const SESSION_MS = 180_000;

export interface Delivery {
  readonly flow: number;
  readonly number: number;
  readonly atMs: number;
}

interface Payload {
  readonly flow: number;
  readonly number: number;
  readonly sizeBytes: number;
}

export interface SimPeerOptions {
  readonly direction: 0 | 1;
  readonly links: readonly Link[];
  readonly time: VirtualTime;
  readonly leads: boolean;
  readonly jitter?: number;
  /** How long an event takes from the data thread to path selection. */
  readonly controlDelayMs?: number;
  readonly onWant?: (transport: TransportName) => void;
}

/** One end: path selection, its shell, and what the data thread does and counts, exactly. */
export class SimPeer {
  readonly selection: PeerPaths;
  primary: number | null = null;
  second: number | null = null;
  /** Actions by type, and how often selection was woken. */
  readonly counts = { probe: 0, use: 0, want: 0, decided: 0, tick: 0, event: 0, sent: 0 };
  readonly decisions: { readonly atMs: number; readonly to: number | null; readonly reason: string }[] = [];
  readonly delivered: Delivery[] = [];
  other!: SimPeer;
  /** There are keys to send data with. */
  isUp = false;
  #wasAsked = false;
  #staged: Payload[] = [];

  readonly #options: Required<Omit<SimPeerOptions, "onWant">> & Pick<SimPeerOptions, "onWant">;
  readonly #tx = { data: new Float64Array(MAX_PATHS), large: new Float64Array(MAX_PATHS) };
  readonly #rx = { data: new Float64Array(MAX_PATHS), large: new Float64Array(MAX_PATHS) };
  readonly #lastReceivedMs = new Float64Array(MAX_PATHS);
  #lastDataSentMs = 0;
  #lastDataReceivedMs = 0;
  #lastSentMs = 0;
  #counter = 0;
  readonly #seen = new Set<number>();
  #highest = 0;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(options: SimPeerOptions) {
    this.#options = { jitter: 0.5, controlDelayMs: 1, ...options };
    this.selection = new PeerPaths({
      leads: options.leads,
      jitter: this.#options.jitter,
      counters: {
        txData: (id) => this.#tx.data[id]!,
        txLarge: (id) => this.#tx.large[id]!,
        rxData: (id) => this.#rx.data[id]!,
        lastReceivedMs: (id) => this.#lastReceivedMs[id]!,
        lastDataSentMs: () => this.#lastDataSentMs,
        lastDataReceivedMs: () => this.#lastDataReceivedMs,
      },
    });
    const { links } = options;
    this.tell({
      type: "candidates",
      candidates: links.map((link, index) => ({ id: this.idOf(index), transport: link.transport, label: link.label })),
    });
    for (const [index, link] of links.entries())
      if (link.transport !== "udp") this.tell({ type: "open", id: this.idOf(index), isOpen: link.isOpen });
  }

  /** The two ends number the paths differently. */
  idOf(linkIndex: number): number {
    return this.#options.direction === 0 ? linkIndex : MAX_PATHS - 1 - linkIndex;
  }

  linkOf(id: number | null): Link | undefined {
    if (id === null) return undefined;
    return this.#options.links[this.#options.direction === 0 ? id : MAX_PATHS - 1 - id];
  }

  get primaryLink(): Link | undefined {
    return this.linkOf(this.primary);
  }

  tell(event: PathEvent): void {
    this.counts.event++;
    const { time } = this.#options;
    for (const action of this.selection.handle(event, time.nowMs)) this.#carryOut(action);
    this.#arm();
  }

  /** Asks for a session by every path at once. */
  dial(): void {
    for (const [index, link] of this.#options.links.entries())
      if (link.isOpen) this.#send(this.idOf(index), { kind: "initiation" });
  }

  /** The session is up, by a message on this path. */
  comeUp(id: number): void {
    if (this.isUp) return;
    this.isUp = true;
    this.tell({ type: "heard", id });
    this.tell({ type: "session", isUp: true });
  }

  sendData(flow: number, number: number, sizeBytes: number): void {
    const payload = { flow, number, sizeBytes };
    if (this.primary !== null) {
      this.#sendPayload(payload);
      return;
    }
    if (!this.isUp && this.#staged.length === 0) this.dial();
    this.#staged.push(payload);
  }

  #sendPayload({ flow, number, sizeBytes }: Payload): void {
    const { time } = this.#options;
    const wasPaused = time.nowMs - this.#lastDataSentMs > PAUSE_MS;
    this.#lastDataSentMs = time.nowMs;
    const counter = ++this.#counter;
    for (const id of [this.primary, this.second]) {
      if (id === null) continue;
      this.#tx.data[id]!++;
      if (sizeBytes >= LARGE_BYTES) this.#tx.large[id]!++;
      this.#send(id, { kind: "data", counter, sizeBytes, flow, number });
    }
    if (wasPaused) this.#tellLater({ type: "tick" });
  }

  #send(id: number, message: SimMessage): void {
    this.counts.sent++;
    this.#lastSentMs = this.#options.time.nowMs;
    const link = this.linkOf(id)!;
    const index = this.#options.links.indexOf(link);
    link.send(this.#options.direction, message, (arrived) => this.other.#receive(this.other.idOf(index), arrived));
  }

  #receive(id: number, message: SimMessage): void {
    const { nowMs } = this.#options.time;
    this.#lastReceivedMs[id] = nowMs;
    switch (message.kind) {
      case "initiation":
        if (this.#wasAsked) return;
        this.#wasAsked = true;
        this.#later(() => {
          this.tell({ type: "heard", id });
          this.#send(id, { kind: "response" });
        });
        return;
      case "response":
        this.#later(() => {
          this.comeUp(id);
          // Confirms the keys when there is no data to do it.
          if (this.#counter === 0 && this.primary !== null) this.#send(this.primary, { kind: "keepalive" });
        });
        return;
      case "keepalive":
        this.#later(() => this.comeUp(id));
        return;
      case "request":
        this.#send(id, {
          kind: "reply",
          sequence: message.sequence,
          sentMs: message.sentMs,
          rxData: this.#rx.data[id]!,
          rxLarge: this.#rx.large[id]!,
          isPrimary: this.primary === id,
        });
        this.#tellLater({ type: "request", id, isTheirPrimary: message.isPrimary });
        return;
      case "reply": {
        const { sequence, sentMs, rxData, rxLarge, isPrimary } = message;
        const rttMs = nowMs - sentMs;
        this.#tellLater({ type: "reply", id, sequence, rttMs, rxData, rxLarge, isTheirPrimary: isPrimary });
        return;
      }
      case "data":
        this.#receiveData(id, message);
    }
  }

  #receiveData(id: number, { counter, sizeBytes, flow, number }: Extract<SimMessage, { kind: "data" }>): void {
    const { nowMs } = this.#options.time;
    const wasPaused = nowMs - this.#lastDataReceivedMs > PAUSE_MS;
    this.#lastDataReceivedMs = nowMs;
    if (!this.isUp) this.#later(() => this.comeUp(id));
    this.#rx.data[id]!++;
    if (sizeBytes >= LARGE_BYTES) this.#rx.large[id]!++;
    if (wasPaused) this.#tellLater({ type: "tick" });
    if (counter + REPLAY_WINDOW <= this.#highest || this.#seen.has(counter)) return;
    this.#seen.add(counter);
    this.#seen.delete(counter - 2 * REPLAY_WINDOW);
    this.#highest = Math.max(this.#highest, counter);
    this.delivered.push({ flow, number, atMs: nowMs });
  }

  #loseSession(): void {
    this.isUp = false;
    this.#wasAsked = false;
    this.tell({ type: "session", isUp: false });
  }

  #tellLater(event: PathEvent): void {
    this.#later(() => this.tell(event));
  }

  /** In the control thread. */
  #later(run: () => void): void {
    this.#options.time.after(this.#options.controlDelayMs, run);
  }

  #carryOut(action: PathAction): void {
    this.counts[action.type]++;
    const { time } = this.#options;
    switch (action.type) {
      case "probe":
        this.#send(action.id, {
          kind: "request",
          sequence: action.sequence,
          sentMs: time.nowMs,
          isPrimary: action.isPrimary,
        });
        return;
      case "use":
        this.primary = action.primary;
        this.second = action.second;
        if (this.primary !== null) for (const payload of this.#staged.splice(0)) this.#sendPayload(payload);
        return;
      case "decided":
        this.decisions.push({ atMs: time.nowMs, to: action.to, reason: action.reason });
        return;
      case "want":
        this.#options.onWant?.(action.transport);
    }
  }

  #arm(): void {
    const dueMs = this.selection.nextDeadlineMs();
    if (dueMs === this.#timerMs || dueMs === Number.POSITIVE_INFINITY) {
      this.#timerMs = dueMs;
      return;
    }
    this.#timerMs = dueMs;
    this.#options.time.at(dueMs, () => {
      if (this.#timerMs !== dueMs) return;
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.counts.tick++;
      if (this.isUp && this.#options.time.nowMs - this.#lastSentMs > SESSION_MS) this.#loseSession();
      else this.tell({ type: "tick" });
    });
  }
}
