import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MESSAGE_LIMITS, REPLAY_WINDOW_MESSAGES } from "../../../src/wireguard/limits.ts";
import { ReplayWindow } from "../../../src/wireguard/replay-window.ts";

/** What the window means, with no thought of cost. */
class ReplayModel {
  readonly #taken = new Set<number>();
  #highest = -1;

  isFresh(counter: number): boolean {
    return (
      counter < MESSAGE_LIMITS.rejectAfterMessages &&
      counter > this.#highest - REPLAY_WINDOW_MESSAGES &&
      !this.#taken.has(counter)
    );
  }

  commit(counter: number): boolean {
    if (!this.isFresh(counter)) return false;
    this.#taken.add(counter);
    this.#highest = Math.max(this.#highest, counter);
    return true;
  }
}

/** Counters that go forward by small and large steps, fall back near the window's edge, and repeat. */
const walks = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -3, max: 5 }) },
    { weight: 2, arbitrary: fc.integer({ min: -REPLAY_WINDOW_MESSAGES - 40, max: -REPLAY_WINDOW_MESSAGES + 40 }) },
    { weight: 2, arbitrary: fc.integer({ min: 31, max: 3 * REPLAY_WINDOW_MESSAGES }) },
    { weight: 1, arbitrary: fc.constant(2 ** 33) },
  ),
  { maxLength: 400 },
);

describe("the replay window", () => {
  it.each([0, 2 ** 31 - 4, 2 ** 32 - 4, 2 ** 45, MESSAGE_LIMITS.rejectAfterMessages - 10])(
    "is what the model says, from counter %d",
    (start) => {
      fc.assert(
        fc.property(walks, (steps) => {
          const window = new ReplayWindow();
          const model = new ReplayModel();
          let counter = start;
          for (const step of steps) {
            counter = Math.max(0, counter + step);
            expect(window.isFresh(counter)).toBe(model.isFresh(counter));
            expect(window.commit(counter)).toBe(model.commit(counter));
          }
        }),
      );
    },
  );

  it("takes exactly the last 8192 counters, each once", () => {
    const window = new ReplayWindow();
    expect(window.commit(20_000)).toBe(true);
    expect(window.commit(20_000 - REPLAY_WINDOW_MESSAGES)).toBe(false);
    for (let counter = 20_000 - REPLAY_WINDOW_MESSAGES + 1; counter < 20_000; counter++) {
      expect(window.commit(counter)).toBe(true);
    }
    for (let counter = 20_000 - REPLAY_WINDOW_MESSAGES + 1; counter <= 20_000; counter++) {
      expect(window.isFresh(counter)).toBe(false);
    }
  });

  it("looking takes nothing", () => {
    const window = new ReplayWindow();
    expect(window.isFresh(5)).toBe(true);
    expect(window.isFresh(1_000_000)).toBe(true);
    expect(window.commit(5)).toBe(true);
  });

  it("refuses counters from Reject-After-Messages on, and those beyond 2^53", () => {
    const window = new ReplayWindow();
    expect(window.commit(MESSAGE_LIMITS.rejectAfterMessages)).toBe(false);
    expect(window.commit(2 ** 53 + 2)).toBe(false);
    expect(window.commit(2 ** 64 - 1)).toBe(false);
    expect(window.commit(MESSAGE_LIMITS.rejectAfterMessages - 1)).toBe(true);
  });
});
