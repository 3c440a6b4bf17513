import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { silentLogger } from "../../../../src/base/logger.ts";
import { UndoJournal } from "../../../../src/host/changes/undo-journal.ts";

const stepSchema = z.object({ remove: z.string() });
type Step = z.output<typeof stepSchema>;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(directory, "journal.jsonl");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A host on which things exist or not. */
class World {
  readonly things = new Set<string>();
  /** In the order in which they went. */
  readonly removed: string[] = [];

  open(): Promise<UndoJournal<Step>> {
    const undo = async ({ remove }: Step) => {
      if (this.things.delete(remove)) this.removed.push(remove);
    };
    return UndoJournal.open({ path, stepSchema }, { undo, logger: silentLogger });
  }

  add(journal: UndoJournal<Step>, thing: string): Promise<number> {
    return journal.perform({ remove: thing }, async () => void this.things.add(thing));
  }
}

describe("taking back", () => {
  test("goes newest first and leaves an empty file", async () => {
    const world = new World();
    const journal = await world.open();
    for (const thing of ["address", "route", "rule"]) await world.add(journal, thing);
    expect(await journal.undoAll()).toBe(0);
    await journal.close();
    expect(world.removed).toEqual(["rule", "route", "address"]);
    expect(readFileSync(path, "utf8")).toBe("");
  });

  test("of a single change leaves the others", async () => {
    const world = new World();
    const journal = await world.open();
    await world.add(journal, "address");
    const route = await world.add(journal, "route");
    await journal.undo(route);
    await journal.undo(route);
    expect([...world.things]).toEqual(["address"]);
    expect(journal.pending.map(([, step]) => step)).toEqual([{ remove: "address" }]);
    await journal.close();
  });

  test("goes on past a step that fails, which stays for the next start", async () => {
    const things = new Set(["a", "b", "c"]);
    let isStuck = true;
    const undo = async ({ remove }: Step) => {
      if (remove === "b" && isStuck) throw new Error("stuck");
      things.delete(remove);
    };
    const journal = await UndoJournal.open({ path, stepSchema }, { undo, logger: silentLogger });
    for (const thing of ["a", "b", "c"]) await journal.perform({ remove: thing }, async () => {});
    expect(await journal.undoAll()).toBe(1);
    await journal.close();
    expect([...things]).toEqual(["b"]);

    isStuck = false;
    const next = await UndoJournal.open({ path, stepSchema }, { undo, logger: silentLogger });
    expect(next.pending.map(([, step]) => step)).toEqual([{ remove: "b" }]);
    expect(await next.undoAll()).toBe(0);
    await next.close();
    expect(things.size).toBe(0);
  });

  test("leaves alone what a failed change found in its way", async () => {
    const world = new World();
    world.things.add("theirs");
    const journal = await world.open();
    const change = journal.perform({ remove: "theirs" }, async () => {
      throw new Error("exists");
    });
    await expect(change).rejects.toThrow("exists");
    await journal.undoAll();
    await journal.close();
    expect([...world.things]).toEqual(["theirs"]);
  });
});

describe("a process killed at any moment", () => {
  test("leaves what the next one takes back, whatever was under way", async () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), thing: fc.string({ maxLength: 8 }) }),
      fc.record({ kind: fc.constant("undo" as const), which: fc.nat({ max: 9 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 8 }), fc.nat(), async (operations, where) => {
        rmSync(path, { force: true });
        // Every state of disk and host that a kill can leave: before and after each change, and within each line.
        const moments: { file: string; things: string[] }[] = [];
        const world = new World();
        const journal = await world.open();
        const moment = () => moments.push({ file: readFileSync(path, "utf8"), things: [...world.things] });
        const ids: number[] = [];
        for (const each of operations) {
          moment();
          if (each.kind === "undo") {
            await journal.undo(ids[each.which] ?? -1);
          } else if (!world.things.has(each.thing)) {
            const step = { remove: each.thing };
            ids.push(
              await journal.perform(step, async () => {
                moment();
                world.things.add(each.thing);
                moment();
              }),
            );
          }
        }
        moment();
        await journal.close();

        const { file, things } = moments[where % moments.length]!;
        const next = new World();
        for (const thing of things) next.things.add(thing);
        writeFileSync(path, file);
        const recovered = await next.open();
        expect(await recovered.undoAll()).toBe(0);
        await recovered.close();
        expect(next.things.size).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("may leave a last line cut short: that change was never made", async () => {
    const world = new World();
    const journal = await world.open();
    await world.add(journal, "address");
    await journal.close();
    const whole = readFileSync(path, "utf8");
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.slice(0, length));
      const next = await world.open();
      expect(next.pending.map(([, step]) => step)).toEqual([]);
      await next.close();
    }
  });

  test("new lines do not join a torn one", async () => {
    writeFileSync(path, '{"do":1,"undo":{"remove":"a"}}\n{"do":2,"un');
    const world = new World();
    const journal = await world.open();
    await world.add(journal, "b");
    await journal.close();
    const next = await world.open();
    expect(next.pending.map(([, step]) => step)).toEqual([{ remove: "a" }, { remove: "b" }]);
    await next.close();
  });
});

test("damage in the middle costs only the damaged lines, and the file is kept aside", async () => {
  writeFileSync(
    path,
    '{"do":1,"undo":{"remove":"a"}}\n\0\0\0\n{"do":2,"undo":{"shape":0}}\n{"do":3,"undo":{"remove":"c"}}\n',
  );
  const warnings: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
  const journal = await UndoJournal.open({ path, stepSchema }, { undo: async () => {}, logger });
  expect(journal.pending.map(([, step]) => step)).toEqual([{ remove: "a" }, { remove: "c" }]);
  await journal.close();
  const aside = z.object({ aside: z.string() }).parse(warnings[0]).aside;
  expect(readFileSync(aside, "utf8")).toContain("shape");
});

test("arbitrary bytes never stop a start", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      writeFileSync(path, bytes);
      const journal = await new World().open();
      await journal.undoAll();
      await journal.close();
      expect(readFileSync(path, "utf8")).toBe("");
    }),
    { numRuns: 50 },
  );
});

test("the file is the owner's alone", async () => {
  const journal = await new World().open();
  await journal.close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("settled lines do not pile up", async () => {
  const world = new World();
  const journal = await world.open();
  await world.add(journal, "stays");
  for (let i = 0; i < 1200; i++) await journal.undo(await world.add(journal, `route ${i}`));
  expect(readFileSync(path, "utf8").split("\n").length).toBeLessThan(1100);
  expect(journal.pending.map(([, step]) => step)).toEqual([{ remove: "stays" }]);
  await journal.close();
});
