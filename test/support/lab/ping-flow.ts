import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";

/** Of a stretch of the flow. */
export interface PingFlowResult {
  readonly answered: number;
  /** Requests without an answer, but for those of the last moment. */
  readonly lost: number;
  /** The longest time from one answer to the next. */
  readonly longestGapMs: number;
}

/** Requests: those of the last moment. */
const UNDER_WAY = 20;

interface Answer {
  /** From 1 on. */
  readonly sequence: number;
  /** Wall clock. */
  readonly atMs: number;
}

/** An endless ping, one request every `intervalMs`: what it is without for a while, every application would be without. */
export class PingFlow implements AsyncDisposable {
  /** The first answer that came, be it to the first request or to another. */
  readonly first: Answer;
  readonly #process: LabProcess;
  #from: Answer | undefined;

  private constructor(process: LabProcess, first: Answer) {
    this.#process = process;
    this.first = first;
  }

  /** Flows by the time it returns. `dataBytes`: of each request, without headers. */
  static async start(from: LabHost, address: string, intervalMs = 10, dataBytes = 56): Promise<PingFlow> {
    const args = ["-n", "-D", "-i", String(intervalMs / 1000), "-s", String(dataBytes), address];
    const process = await from.start("ping", args);
    const first = await process.waitForOutput(/^\[(\d+\.\d+)\].* icmp_seq=(\d+) .*time=/m, 15_000);
    const [seconds, sequence] = first.slice(1).map(Number) as [number, number];
    const flow = new PingFlow(process, { sequence, atMs: seconds * 1000 });
    flow.restart();
    return flow;
  }

  /** What counts from now on. */
  restart(): void {
    this.#from = this.#answers().at(-1);
  }

  /** Since the start, or the last `restart`. */
  result(): PingFlowResult {
    const all = this.#answers();
    const first = all.findIndex(({ sequence }) => sequence === this.#from?.sequence);
    const answers = all.slice(Math.max(0, first));
    let longestGapMs = 0;
    for (let i = 1; i < answers.length; i++)
      longestGapMs = Math.max(longestGapMs, answers[i]!.atMs - answers[i - 1]!.atMs);
    // A change of paths may turn the order of answers round; the latest requests may still be under way.
    const answered = new Set(all.map(({ sequence }) => sequence));
    const last = Math.max(...answered) - UNDER_WAY;
    let lost = 0;
    for (let sequence = this.#from?.sequence ?? 1; sequence <= last; sequence++) if (!answered.has(sequence)) lost++;
    return { answered: answers.length, lost, longestGapMs };
  }

  /** Requests without an answer that left after this moment (epoch, ms), but for those of the last moment. */
  lostSince(momentMs: number): number {
    const inOrder = this.#answers().toSorted((a, b) => a.sequence - b.sequence);
    const first = inOrder.findIndex(({ atMs }) => atMs >= momentMs);
    if (first < 0) return 0;
    let lost = 0;
    for (let i = first + 1; i < inOrder.length; i++) lost += inOrder[i]!.sequence - inOrder[i - 1]!.sequence - 1;
    return lost;
  }

  /** How many answers there are by now. */
  get answered(): number {
    return this.result().answered;
  }

  /** When the latest answer came: wall clock, ms. */
  get latestAtMs(): number {
    return Math.max(...this.#answers().map(({ atMs }) => atMs));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.kill();
  }

  #answers(): Answer[] {
    const lines = this.#process.stdout.matchAll(/^\[(\d+\.\d+)\].* icmp_seq=(\d+) .*time=/gm);
    return Array.from(lines, ([, seconds, sequence]) => ({ sequence: Number(sequence), atMs: Number(seconds) * 1000 }));
  }
}
