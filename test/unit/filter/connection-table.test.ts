import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionTable, Entry } from "../../../src/filter/connection-table.ts";
import { Flow } from "../../../src/filter/flow.ts";

/** A flow by number; flows of few hashes meet in the table, next to its end as well. */
function flowOf(number: number, hash: number): Flow {
  const flow = new Flow(0);
  flow.key[0] = number;
  flow.hash = hash;
  return flow;
}

const MAX = 16;
const hashOf = (number: number) => (2 * (29 + (number % 4))) | 1;
const keepAll = () => false;

describe("the table of connections", () => {
  it("is a map with a bound, whatever comes and goes", () => {
    const step = fc.tuple(fc.constantFrom("insert", "remove"), fc.nat(30));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const table = new ConnectionTable(MAX);
        const model = new Set<number>();
        for (const [what, number] of steps) {
          const flow = flowOf(number, hashOf(number));
          const entry = table.find(flow);
          expect(entry >= 0).toBe(model.has(number));
          if (what === "remove") {
            if (entry >= 0) table.remove(entry);
            model.delete(number);
          } else if (entry < 0) {
            const made = table.insert(flow, 0, keepAll);
            expect(made >= 0).toBe(model.size < MAX);
            if (made < 0) continue;
            table.words[made + Entry.expiresAt] = 10;
            table.words[made + Entry.state] = number;
            model.add(number);
          }
        }
        expect(table.size).toBe(model.size);
        for (const number of model) {
          const entry = table.find(flowOf(number, hashOf(number)));
          expect(table.words[entry + Entry.state]).toBe(number);
        }
      }),
    );
  });

  it("drops what has expired, little by little, and at once where it has no room", () => {
    const table = new ConnectionTable(MAX);
    const insert = (number: number, now: number) => {
      const entry = table.insert(flowOf(number, (number * 0x9e3779b1) | 1), now, keepAll);
      if (entry >= 0) table.words[entry + Entry.expiresAt] = now + 10;
      return entry;
    };
    for (let i = 0; i < MAX; i++) expect(insert(i, 0)).toBeGreaterThanOrEqual(0);
    expect(insert(100, 9)).toBe(-1);
    expect(insert(100, 10)).toBeGreaterThanOrEqual(0);
    for (let i = 0; i < 3 * MAX; i++) insert(200 + i, 10 + 10 * (i + 1));
    expect(table.size).toBeLessThanOrEqual(MAX);
  });

  it("takes no more memory than it is made with: 8.5 MiB", () => {
    expect(new ConnectionTable().memoryBytes).toBe(8.5 * 2 ** 20);
  });
});
