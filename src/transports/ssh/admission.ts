import { sourceBlock } from "../../packet/source-block.ts";

export interface AdmissionLimits {
  readonly pending: number;
  readonly pendingPerSource: number;
  /** How long a failure counts against its source. */
  readonly penaltyMs: number;
}

interface Pending {
  readonly source: string;
  readonly evict: () => void;
}

export interface Ticket {
  /** The connection has proven itself, or is over without having done wrong. Idempotent, also with `fail`. */
  leave(): void;
  /** It was over before it had proven itself: its source waits for the place a while longer. */
  fail(nowMs: number): void;
}

/**
 * Who may knock: connections that have not proven themselves are limited in number, in all and for each source. When there
 * are too many in all, the oldest goes: it has had the most time, and a flood cannot hold the door shut by doing nothing.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  /** In order of arrival. */
  readonly #pending = new Set<Pending>();
  readonly #perSource = new Map<string, number>();
  /** Places that failures keep, in order of their end. */
  #penalties: { readonly source: string; readonly untilMs: number }[] = [];

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** @param evict ends the connection; called at most once. Returns undefined when it may not come in. */
  enter(address: string, nowMs: number, evict: () => void): Ticket | undefined {
    this.#endPenalties(nowMs);
    // A listener for both families has IPv4 addresses mapped into one /64.
    const source = sourceBlock(address.replace(/^::ffff:(?=\d+\.)/i, ""));
    if ((this.#perSource.get(source) ?? 0) >= this.#limits.pendingPerSource) return undefined;
    const entry = { source, evict };
    this.#pending.add(entry);
    this.#count(source, 1);
    if (this.#pending.size > this.#limits.pending) {
      const [oldest] = this.#pending;
      if (oldest !== undefined) this.#evict(oldest);
    }
    return {
      leave: () => {
        if (this.#pending.delete(entry)) this.#count(source, -1);
      },
      fail: (failedMs) => {
        if (this.#pending.delete(entry)) this.#penalties.push({ source, untilMs: failedMs + this.#limits.penaltyMs });
      },
    };
  }

  #evict(entry: Pending): void {
    this.#pending.delete(entry);
    this.#count(entry.source, -1);
    entry.evict();
  }

  #endPenalties(nowMs: number): void {
    const over = this.#penalties.findIndex(({ untilMs }) => untilMs > nowMs);
    const ended = this.#penalties.splice(0, over === -1 ? this.#penalties.length : over);
    for (const { source } of ended) this.#count(source, -1);
  }

  #count(source: string, step: 1 | -1): void {
    const count = (this.#perSource.get(source) ?? 0) + step;
    if (count === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, count);
  }
}
