import { vi } from "vitest";

/** Waits until `check` no longer throws: for long, since other tests may have the processors. */
export function soon<T>(check: () => T): Promise<T> {
  return vi.waitFor(check, { timeout: 15_000, interval: 5 });
}
