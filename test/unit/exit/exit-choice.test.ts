import { describe, expect, it } from "vitest";
import { ExitChoice, LEAVE_AFTER_MS, RETURN_AFTER_MS } from "../../../src/exit/use/exit-choice.ts";

/** A list of exits by what each of them does: answers (`+`), is silent (`-`), or is not eligible (` `). */
class Run {
  readonly #choice = new ExitChoice();
  readonly #answeredAtMs = new Map<string, number>();
  #nowMs = 1_000_000;

  /** Every 500 ms for so long. @returns what was in use, each change once */
  go(ms: number, does: Readonly<Record<string, "+" | "-" | " ">>): (string | undefined)[] {
    const used: (string | undefined)[] = [];
    for (const end = this.#nowMs + ms; this.#nowMs < end; this.#nowMs += 500) {
      const candidates = Object.entries(does).map(([publicKey, what]) => {
        if (what === "+") this.#answeredAtMs.set(publicKey, this.#nowMs);
        return { publicKey, isEligible: what !== " ", answeredAtMs: this.#answeredAtMs.get(publicKey) ?? null };
      });
      const now = this.#choice.update(candidates, this.#nowMs);
      if (used.length === 0 || used.at(-1) !== now) used.push(now);
    }
    return used;
  }
}

describe("the choice among exits", () => {
  it("takes the first that answers, and keeps to it", () => {
    const run = new Run();
    expect(run.go(1000, { a: "+", b: "+" })).toEqual(["a"]);
    expect(run.go(60_000, { a: "+", b: "+" })).toEqual(["a"]);
  });

  it("takes the first where none has answered yet, and lets it have its time", () => {
    const run = new Run();
    expect(run.go(LEAVE_AFTER_MS, { a: "-", b: "+" })).toEqual(["b"]);
    const other = new Run();
    expect(other.go(1000, { a: "-", b: "-" })).toEqual(["a"]);
    expect(other.go(LEAVE_AFTER_MS, { a: "-", b: "+" })).toEqual(["a", "b"]);
  });

  it("leaves a silent one for the first that answers, and comes back once that has answered for a while", () => {
    const run = new Run();
    run.go(20_000, { a: "+", b: "+", c: "+" });
    expect(run.go(LEAVE_AFTER_MS + 500, { a: "-", b: "-", c: "+" })).toEqual(["a", "c"]);
    expect(run.go(RETURN_AFTER_MS, { a: "+", b: "-", c: "+" })).toEqual(["c"]);
    expect(run.go(1000, { a: "+", b: "-", c: "+" })).toEqual(["a"]);
  });

  it("does not come back to one that answers now and then", () => {
    const run = new Run();
    run.go(5000, { a: "-", b: "+" });
    for (let i = 0; i < 10; i++) {
      expect(run.go(RETURN_AFTER_MS - 1000, { a: "+", b: "+" })).toEqual(["b"]);
      expect(run.go(LEAVE_AFTER_MS + 1000, { a: "-", b: "+" })).toEqual(["b"]);
    }
  });

  it("stays where it is while none answers", () => {
    const run = new Run();
    run.go(5000, { a: "-", b: "+" });
    expect(run.go(60_000, { a: "-", b: "-" })).toEqual(["b"]);
  });

  it("leaves at once what is no exit any more, and uses none where none is left", () => {
    const run = new Run();
    run.go(5000, { a: "+", b: "-" });
    expect(run.go(500, { a: " ", b: "-" })).toEqual(["b"]);
    expect(run.go(500, { a: " ", b: " " })).toEqual([undefined]);
    expect(run.go(500, { a: "-", b: " " })).toEqual(["a"]);
  });
});
