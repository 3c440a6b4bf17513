import type { TransportName } from "../../base/transports.ts";
import type { Path } from "./path.ts";
import { NEVER, PATH_TIMINGS } from "./timings.ts";

/** What became of one candidate in an attempt. Times are `Clock.monotonicMs`, null for never. */
export interface AttemptEntry {
  readonly id: number;
  readonly transport: TransportName;
  readonly label: string;
  readonly triedAtMs: number | null;
  readonly probes: number;
  /** When the peer was first heard by it at all, and when it first answered a probe. */
  readonly heardAtMs: number | null;
  readonly answeredAtMs: number | null;
  readonly rttMs: number | null;
  readonly isWinner: boolean;
  /** Why it won or lost, in words. */
  readonly outcome: string;
}

/** The receipt of a race: how a path to the peer was looked for. */
export interface PathAttempt {
  /** In words: why paths were looked for. */
  readonly cause: string;
  readonly startedMs: number;
  /** Null while it still runs. */
  readonly endedMs: number | null;
  readonly entries: readonly AttemptEntry[];
}

interface RunningEntry {
  readonly path: Path;
  triedAtMs: number | null;
  probes: number;
  heardAtMs: number | null;
  answeredAtMs: number | null;
  rttMs: number | null;
}

interface Running {
  readonly cause: string;
  readonly startedMs: number;
  readonly entries: Map<Path, RunningEntry>;
}

/** What is said of a path at the end of an attempt. */
export type Verdict = (path: Path, probes: number) => { readonly isWinner: boolean; readonly outcome: string };

const MAX_ATTEMPTS = 8;
const MAX_ENTRIES = 32;

/** Keeps the latest attempts of one peer. */
export class AttemptLog {
  #closed: readonly PathAttempt[] = [];
  #running: Running | undefined;

  /** Starts a new attempt; one that still runs is closed with `verdict`. */
  start(cause: string, paths: Iterable<Path>, verdict: Verdict, nowMs: number): void {
    this.close(verdict, nowMs);
    this.#running = { cause, startedMs: nowMs, entries: new Map() };
    for (const path of paths) this.add(path);
  }

  get endsAtMs(): number {
    return this.#running === undefined ? NEVER : this.#running.startedMs + PATH_TIMINGS.attemptMs;
  }

  /** A candidate that came up during the attempt. */
  add(path: Path): void {
    const entries = this.#running?.entries;
    if (entries === undefined || entries.has(path) || entries.size >= MAX_ENTRIES) return;
    entries.set(path, { path, triedAtMs: null, probes: 0, heardAtMs: null, answeredAtMs: null, rttMs: null });
  }

  probed(path: Path, nowMs: number): void {
    const entry = this.#running?.entries.get(path);
    if (entry === undefined) return;
    entry.triedAtMs ??= nowMs;
    entry.probes++;
  }

  heard(path: Path, nowMs: number): void {
    const entry = this.#running?.entries.get(path);
    if (entry !== undefined) entry.heardAtMs ??= nowMs;
  }

  answered(path: Path, rttMs: number, nowMs: number): void {
    const entry = this.#running?.entries.get(path);
    if (entry === undefined) return;
    entry.heardAtMs ??= nowMs;
    entry.answeredAtMs ??= nowMs;
    entry.rttMs = Math.min(entry.rttMs ?? rttMs, rttMs);
  }

  close(verdict: Verdict, nowMs: number): void {
    const attempt = this.#snapshot(verdict, nowMs);
    if (attempt !== undefined) this.#closed = [...this.#closed, attempt].slice(-MAX_ATTEMPTS);
    this.#running = undefined;
  }

  /** Oldest first. */
  list(verdict: Verdict): PathAttempt[] {
    const running = this.#snapshot(verdict, null);
    return running === undefined ? [...this.#closed] : [...this.#closed, running];
  }

  #snapshot(verdict: Verdict, endedMs: number | null): PathAttempt | undefined {
    if (this.#running === undefined) return undefined;
    const { cause, startedMs, entries } = this.#running;
    return {
      cause,
      startedMs,
      endedMs,
      entries: Array.from(entries.values(), ({ path, ...came }) => ({
        id: path.id,
        transport: path.transport,
        label: path.label,
        ...came,
        ...verdict(path, came.probes),
      })),
    };
  }
}
