import type { PathCandidate } from "../../../../src/router/paths/events.ts";
import { type PathAction, type PathEvent, PeerPaths } from "../../../../src/router/paths/peer-paths.ts";

export const UDP: PathCandidate = { id: 0, transport: "udp", label: "192.0.2.1:51820" };
export const UDP6: PathCandidate = { id: 1, transport: "udp", label: "[2001:db8::1]:51820" };
export const SSH: PathCandidate = { id: 2, transport: "ssh", label: "192.0.2.1:2222" };
export const RELAY: PathCandidate = { id: 3, transport: "relay", label: "https://relay.example" };

/** How the far end answers on one path. */
interface Answers {
  rttMs: number;
  isTheirPrimary: boolean;
  rxData: number;
  rxLarge: number;
}

type Logged = PathAction & { readonly atMs: number };

const START_MS = 1_000_000;

/** One `PeerPaths` on a clock of its own; the far end answers probes on those paths that are told to. */
export class Bench {
  readonly paths: PeerPaths;
  readonly log: Logged[] = [];
  readonly answers = new Map<number, Answers>();
  readonly tx = new Map<number, { data: number; large: number }>();
  nowMs = START_MS;
  lastDataSentMs = 0;
  lastDataReceivedMs = 0;
  ticks = 0;
  primary: number | null = null;
  second: number | null = null;
  /** Data is sent every so often, by what is in use. */
  dataEveryMs: number | undefined;
  isLarge = false;
  #nextDataMs = START_MS;
  #replies: { readonly atMs: number; readonly event: PathEvent }[] = [];

  constructor(leads = true, jitter = 0) {
    this.paths = new PeerPaths({
      leads,
      jitter,
      counters: {
        txData: (id) => this.tx.get(id)?.data ?? 0,
        txLarge: (id) => this.tx.get(id)?.large ?? 0,
        rxData: () => 0,
        lastReceivedMs: () => 0,
        lastDataSentMs: () => this.lastDataSentMs,
        lastDataReceivedMs: () => this.lastDataReceivedMs,
      },
    });
  }

  /** A peer with these candidates, pipes open, whose session came up by the last one. */
  static connected(candidates: readonly PathCandidate[], leads = true): Bench {
    const bench = new Bench(leads);
    bench.tell({ type: "candidates", candidates });
    for (const { id, transport } of candidates) if (transport !== "udp") bench.tell({ type: "open", id, isOpen: true });
    bench.tell({ type: "heard", id: candidates.at(-1)!.id });
    bench.tell({ type: "session", isUp: true });
    return bench;
  }

  /** Probes by this path are answered from now on. */
  answer(path: PathCandidate, rttMs: number): Answers {
    const answers = { rttMs, isTheirPrimary: false, rxData: 0, rxLarge: 0, ...this.answers.get(path.id) };
    answers.rttMs = rttMs;
    this.answers.set(path.id, answers);
    return answers;
  }

  mute(path: PathCandidate): void {
    this.answers.delete(path.id);
    this.#replies = this.#replies.filter(({ event }) => event.type === "reply" && event.id !== path.id);
  }

  tell(event: PathEvent): PathAction[] {
    const actions = this.paths.handle(event, this.nowMs);
    for (const action of actions) {
      this.log.push({ ...action, atMs: this.nowMs });
      if (action.type === "use") ({ primary: this.primary, second: this.second } = action);
      const answers = action.type === "probe" ? this.answers.get(action.id) : undefined;
      if (answers === undefined || action.type !== "probe") continue;
      const { rttMs, rxData, rxLarge, isTheirPrimary } = answers;
      const event = {
        type: "reply",
        id: action.id,
        sequence: action.sequence,
        rttMs,
        rxData,
        rxLarge,
        isTheirPrimary,
      } as const;
      this.#replies.push({ atMs: this.nowMs + rttMs, event });
    }
    return actions;
  }

  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      this.#replies.sort((a, b) => a.atMs - b.atMs);
      const reply = this.#replies[0];
      const dataMs = this.dataEveryMs === undefined ? Number.POSITIVE_INFINITY : Math.max(this.#nextDataMs, this.nowMs);
      const nextMs = Math.min(reply?.atMs ?? Number.POSITIVE_INFINITY, dataMs, this.paths.nextDeadlineMs());
      if (nextMs > endMs) break;
      this.nowMs = nextMs;
      if (nextMs === reply?.atMs) {
        this.#replies.shift();
        this.tell(reply.event);
      } else if (nextMs === dataMs) {
        this.#nextDataMs = nextMs + this.dataEveryMs!;
        this.sendData();
      } else {
        this.ticks++;
        this.tell({ type: "tick" });
      }
    }
    this.nowMs = endMs;
  }

  /** One message by what is in use; it arrives wherever probes are answered. */
  sendData(): void {
    const wasPaused = this.nowMs - this.lastDataSentMs > 2000;
    this.lastDataSentMs = this.nowMs;
    for (const id of [this.primary, this.second]) {
      if (id === null) continue;
      const sent = this.tx.get(id) ?? { data: 0, large: 0 };
      this.tx.set(id, { data: sent.data + 1, large: sent.large + (this.isLarge ? 1 : 0) });
      const answers = this.answers.get(id);
      if (answers === undefined || this.deadFor.has(id)) continue;
      if (this.isLarge && this.largeDeadFor.has(id)) continue;
      answers.rxData++;
      if (this.isLarge) answers.rxLarge++;
    }
    if (wasPaused) this.tell({ type: "tick" });
  }

  /** Paths whose probes pass while data does not, or large messages do not. */
  readonly deadFor = new Set<number>();
  readonly largeDeadFor = new Set<number>();

  /** Large messages vanish on this path, in use until now, and small ones go on between them: until it is left, or for 0.5 s. */
  loseLarge(path: PathCandidate): void {
    this.isLarge = true;
    this.run(1000);
    this.largeDeadFor.add(path.id);
    for (let i = 0; i < 50 && this.primary === path.id; i++) {
      this.isLarge = i % 2 === 0;
      this.run(10);
    }
  }

  /** Actions of a type since a time. */
  actions<Type extends PathAction["type"]>(type: Type, sinceMs = 0): (Extract<PathAction, { type: Type }> & Logged)[] {
    return this.log.filter(
      (action): action is Extract<PathAction, { type: Type }> & Logged =>
        action.type === type && action.atMs >= sinceMs,
    );
  }

  /** Times between the probes by this path that left since then. */
  gapsOf(path: PathCandidate, sinceMs: number): number[] {
    const times = this.actions("probe", sinceMs)
      .filter(({ id }) => id === path.id)
      .map(({ atMs }) => atMs);
    return times.slice(1).map((atMs, i) => atMs - times[i]!);
  }

  detailOf(path: PathCandidate): string {
    return this.paths.status().paths.find(({ id }) => id === path.id)!.detail;
  }
}
