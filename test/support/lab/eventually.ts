import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

export interface EventuallyOptions {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/**
 * Asks `probe` until it answers with something other than undefined or false, and returns that. A probe that throws has
 * no answer yet. When the time is up the failure shows the last answer, or how the last probe failed.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs = 10_000, intervalMs = 25 }: EventuallyOptions = {},
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    let last: string;
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      last = `the last answer was ${inspect(answer)}`;
    } catch (failure) {
      last = `the last probe failed: ${failure instanceof Error ? failure.message : inspect(failure)}`;
    }
    if (performance.now() >= deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}; ${last}`);
    await delay(intervalMs);
  }
}
