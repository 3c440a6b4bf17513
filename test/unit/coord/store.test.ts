import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { MIGRATIONS, type Migration } from "../../../src/coord/store/migrations.ts";
import { migrate, Store } from "../../../src/coord/store/store.ts";
import { temporaryHome } from "../../support/coordinator-fixture.ts";

async function openStore(): Promise<{ store: Store } & AsyncDisposable> {
  const home = await temporaryHome();
  const store = await Store.open(`${home.path}/test.db`, 0);
  return {
    store,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await home[Symbol.asyncDispose]();
    },
  };
}

const addEvent = (subject: string) => ({ at: 0, actor: "host", action: "test", subject });

describe("migrations", () => {
  it("are numbered without gaps", () => {
    expect(MIGRATIONS.map(({ id }) => id)).toEqual(MIGRATIONS.map((_, i) => i + 1));
  });

  it("run each in whole or not at all, and go on from where they stopped", async () => {
    await using opened = await openStore();
    const { reader } = opened.store;
    let isBroken = true;
    const next: Migration[] = [
      ...MIGRATIONS,
      {
        id: MIGRATIONS.length + 1,
        name: "two steps",
        async up(db) {
          await sql`CREATE TABLE extra (x INTEGER)`.execute(db);
          if (isBroken) throw new Error("power cut");
          await sql`INSERT INTO extra VALUES (1)`.execute(db);
        },
      },
    ];
    await expect(migrate(reader, next, 1)).rejects.toThrow("power cut");
    await expect(sql`SELECT * FROM extra`.execute(reader)).rejects.toThrow("no such table");
    isBroken = false;
    await migrate(reader, next, 2);
    await migrate(reader, next, 3);
    expect((await sql<{ x: number }>`SELECT x FROM extra`.execute(reader)).rows).toEqual([{ x: 1 }]);
    const ids = await reader.selectFrom("migrations").select(["id", "applied_at"]).orderBy("id").execute();
    expect(ids.at(-1)).toEqual({ id: next.length, applied_at: 2 });
    await expect(migrate(reader, MIGRATIONS, 4)).rejects.toMatchObject({ code: "store-too-new" });
  });
});

describe("writes", () => {
  it("happen in whole or not at all, effects included, and a failed one does not stop the next", async () => {
    await using opened = await openStore();
    const { store } = opened;
    const effects: string[] = [];
    const failing = store.write(async ({ db, afterCommit }) => {
      await db.insertInto("events").values(addEvent("lost")).execute();
      afterCommit(() => effects.push("lost"));
      throw new Error("no");
    });
    const next = store.write(async ({ db, afterCommit }) => {
      await db.insertInto("events").values(addEvent("kept")).execute();
      afterCommit(() => effects.push("kept"));
      return 7;
    });
    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe(7);
    expect(effects).toEqual(["kept"]);
    const subjects = await store.reader.selectFrom("events").select("subject").execute();
    expect(subjects).toEqual([{ subject: "kept" }]);
  });

  it("take effect in memory in the order in which they reach the disk", async () => {
    await using opened = await openStore();
    const { store } = opened;
    const effects: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        store.write(async ({ db, afterCommit }) => {
          await db
            .insertInto("events")
            .values(addEvent(String(i)))
            .execute();
          afterCommit(() => effects.push(i));
        }),
      ),
    );
    const rows = await store.reader.selectFrom("events").select("subject").orderBy("id").execute();
    expect(effects).toEqual(rows.map(({ subject }) => Number(subject)));
  });

  it("are on the disk when they are acknowledged, and refuse what the tables forbid", async () => {
    await using opened = await openStore();
    const { store } = opened;
    const pragma = async (name: string) =>
      Object.values((await sql.raw<object>(`PRAGMA ${name}`).execute(store.reader)).rows[0]!)[0];
    expect(await pragma("journal_mode")).toBe("wal");
    expect(await pragma("synchronous")).toBe(2);
    expect(await pragma("foreign_keys")).toBe(1);
    expect(await pragma("locking_mode")).toBe("exclusive");
    const orphan = store.write(({ db }) =>
      db
        .insertInto("addresses")
        .values({ ip4: "10.0.0.1", ip6: "fd::1", cidr_id: 99, host: 1, tombstoned_at: 0 })
        .execute(),
    );
    await expect(orphan).rejects.toThrow(/FOREIGN KEY/);
  });
});
