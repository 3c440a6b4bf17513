/** Unheard for so long, an exit gives way to another that answers. */
export const LEAVE_AFTER_MS = 3000;
/** So long an exit further up the list must have answered before the traffic goes back to it. */
export const RETURN_AFTER_MS = 10_000;

/** A peer of the list of exits, as it is at a moment. */
export interface ExitCandidate {
  readonly publicKey: string;
  /** It offers an exit, and this machine may start connections to it. */
  readonly isEligible: boolean;
  /** When it answered last; null for not yet. */
  readonly answeredAtMs: number | null;
}

/**
 * Which of a list of exits is used, in the order of the list: the first to begin with; another that answers once that one is
 * silent; back to an earlier one only after it has answered for a while. With none that answers it stays where it is: the
 * guard keeps the traffic in either way. Sans-IO; times are of one monotonic clock.
 */
export class ExitChoice {
  #current: { readonly publicKey: string; readonly sinceMs: number } | undefined;
  /** By public key: since when it has answered without a pause. */
  readonly #answeringSinceMs = new Map<string, number>();

  get current(): string | undefined {
    return this.#current?.publicKey;
  }

  /** @param candidates in the order of the list */
  update(candidates: readonly ExitCandidate[], nowMs: number): string | undefined {
    const eligible = candidates.filter(({ isEligible }) => isEligible);
    this.#remember(eligible, nowMs);
    const next = this.#choose(eligible, nowMs);
    if (next !== this.current) this.#current = next === undefined ? undefined : { publicKey: next, sinceMs: nowMs };
    return this.current;
  }

  /** Whether others than the one in use and those before it are worth asking. */
  isSilent({ answeredAtMs }: ExitCandidate, nowMs: number): boolean {
    return answeredAtMs === null || nowMs - answeredAtMs >= LEAVE_AFTER_MS;
  }

  #remember(eligible: readonly ExitCandidate[], nowMs: number): void {
    const answering = new Set(eligible.filter((each) => !this.isSilent(each, nowMs)).map((each) => each.publicKey));
    for (const publicKey of this.#answeringSinceMs.keys()) {
      if (!answering.has(publicKey)) this.#answeringSinceMs.delete(publicKey);
    }
    for (const publicKey of answering) {
      if (!this.#answeringSinceMs.has(publicKey)) this.#answeringSinceMs.set(publicKey, nowMs);
    }
  }

  #choose(eligible: readonly ExitCandidate[], nowMs: number): string | undefined {
    const place = eligible.findIndex(({ publicKey }) => publicKey === this.current);
    const current = eligible[place];
    const first = eligible.find((each) => !this.isSilent(each, nowMs))?.publicKey;
    if (current === undefined) return first ?? eligible[0]?.publicKey;
    if (this.isSilent(current, nowMs)) {
      const isNew = nowMs - (this.#current?.sinceMs ?? 0) < LEAVE_AFTER_MS;
      return isNew ? current.publicKey : (first ?? current.publicKey);
    }
    const better = eligible.slice(0, place).find(({ publicKey, answeredAtMs }) => {
      const sinceMs = this.#answeringSinceMs.get(publicKey);
      return sinceMs !== undefined && (answeredAtMs ?? 0) - sinceMs >= RETURN_AFTER_MS;
    });
    return better?.publicKey ?? current.publicKey;
  }
}
