import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SessionSlot } from "../../../../src/daemon/session/session-slot.ts";

/** Sessions that take their time to open, and count who is open. */
class Sessions {
  readonly open = new Set<{ readonly name: string; close(): Promise<void> }>();
  readonly slot = new SessionSlot({
    open: async (name: string) => {
      await ticks(3);
      if (name === "fails") throw new Error("it cannot be opened");
      const session = {
        name,
        close: async () => {
          await ticks(1);
          this.open.delete(session);
        },
      };
      this.open.add(session);
      return session;
    },
    onChange: () => undefined,
  });
  #turn: Promise<unknown> = Promise.resolve();

  start(name: string): Promise<boolean> {
    return this.#inTurn(() => this.slot.start(name));
  }

  stop(): Promise<void> {
    this.slot.overtake();
    return this.#inTurn(() => {
      this.slot.catchUp();
      return this.slot.stop();
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

describe("the one session of a daemon", () => {
  it("is the last one that was started, and the former is closed before the next opens", async () => {
    const { slot, start, open } = bound(new Sessions());
    expect(slot.state).toBe("off");
    const first = start("first");
    await ticks(1);
    expect(slot.state).toBe("starting");
    expect(await first).toBe(true);
    expect([slot.state, slot.current?.name]).toEqual(["up", "first"]);
    expect(await start("second")).toBe(true);
    expect([...open].map(({ name }) => name)).toEqual(["second"]);
  });

  it("a start that fails leaves none, and says why", async () => {
    const { slot, start, open } = bound(new Sessions());
    await start("first");
    await expect(start("fails")).rejects.toThrow("it cannot be opened");
    expect([slot.state, slot.current, open.size]).toEqual(["off", undefined, 0]);
  });

  it("a start that is overtaken while it opens never shows, and one that waits does not begin", async () => {
    const { slot, start, stop, open } = bound(new Sessions());
    const [opening, waiting] = [start("opening"), start("waiting")];
    await ticks(1);
    const stopped = stop();
    const after = start("after");
    expect(await opening).toBe(false);
    expect(slot.current).toBeUndefined();
    expect(await waiting).toBe(false);
    await stopped;
    expect(open.size).toBe(0);
    expect(await after).toBe(true);
    expect(slot.current?.name).toBe("after");
  });

  it("whatever races, what was asked for last holds, and nothing else is open", async () => {
    const request = fc.record({ kind: fc.constantFrom("start", "stop", "fails"), pauseTicks: fc.nat(4) });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), async (requests) => {
        const { slot, start, stop, open } = bound(new Sessions());
        const answers: Promise<unknown>[] = [];
        for (const [i, { kind, pauseTicks }] of requests.entries()) {
          const answer = kind === "stop" ? stop() : start(kind === "fails" ? "fails" : `${i}`);
          answers.push(answer.catch(() => undefined));
          await ticks(pauseTicks);
        }
        await Promise.all(answers);
        const last = requests.at(-1)?.kind;
        expect(slot.current?.name).toBe(last === "start" ? `${requests.length - 1}` : undefined);
        expect([...open]).toEqual(slot.current === undefined ? [] : [slot.current]);
      }),
      { numRuns: 100 },
    );
  });
});

function bound(sessions: Sessions) {
  const { slot, open } = sessions;
  return { slot, open, start: (name: string) => sessions.start(name), stop: () => sessions.stop() };
}
