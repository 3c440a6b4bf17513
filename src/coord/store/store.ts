import { performance } from "node:perf_hooks";
import type Database from "better-sqlite3";
import { Kysely, SqliteDialect, sql, type Transaction } from "kysely";
import { MeshError } from "../../base/errors.ts";
import { MIGRATIONS, type Migration } from "./migrations.ts";
import type { Schema } from "./schema.ts";
import { copySqliteToMemory, openSqlite } from "./sqlite.ts";
import { StoreTimings } from "./store-timings.ts";

export type Reader = Kysely<Schema>;

/** A transaction, and what is to happen in memory once it is on the disk. */
export interface Writer {
  readonly db: Transaction<Schema>;
  /** Runs after the commit and before any later write begins, so memory changes in the order of the disk. */
  afterCommit(effect: () => void): void;
}

/** The database: reads at any time, writes one transaction after the other. */
export class Store {
  readonly reader: Reader;
  readonly timings: StoreTimings;
  readonly #database: Database.Database;
  #lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(reader: Reader, timings: StoreTimings, database: Database.Database) {
    this.reader = reader;
    this.timings = timings;
    this.#database = database;
  }

  /** @throws MeshError `already-running`, `store-missing`, `store-damaged`, `store-too-new` */
  static async open(path: string, nowMs: number): Promise<Store> {
    const store = Store.#over(await openSqlite(path));
    try {
      await migrate(store.reader, MIGRATIONS, nowMs);
    } catch (failure) {
      await store.close();
      throw failure;
    }
    return store;
  }

  static #over(database: Database.Database): Store {
    const timings = new StoreTimings();
    const reader = new Kysely<Schema>({
      dialect: new SqliteDialect({ database }),
      log: ({ queryDurationMillis }) => timings.querySeconds.observe(queryDurationMillis / 1000),
    });
    return new Store(reader, timings, database);
  }

  /** Runs `work` in a transaction: all of it happens, durably, or none. */
  write<T>(work: (writer: Writer) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const effects: (() => void)[] = [];
      const startedMs = performance.now();
      const result = await this.reader
        .transaction()
        .execute((db) => work({ db, afterCommit: (effect) => void effects.push(effect) }));
      this.timings.writeSeconds.observe((performance.now() - startedMs) / 1000);
      for (const effect of effects) effect();
      return result;
    });
  }

  /** Copies the database into the file `path` by SQLite's backup API. Writes wait meanwhile: the copy is of one moment. */
  copyTo(path: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#database.backup(path);
    });
  }

  /** The same tables and rows, as of one moment, in memory and for the caller alone; without the audit log, which only grows. */
  copyToMemory(): Promise<Store> {
    return this.#inTurn(async () => Store.#over(await copySqliteToMemory(this.#database, ["events"])));
  }

  /** Waits for the writes in hand, then closes. */
  async close(): Promise<void> {
    await this.#lastWrite;
    await this.reader.destroy();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastWrite.then(work);
    // The next one waits for this one, whatever became of it; its failure is its caller's to see.
    this.#lastWrite = done.catch(() => undefined);
    return done;
  }
}

/** Brings the tables up to date, each step in one transaction. @throws MeshError `store-too-new`, `store-damaged` */
export async function migrate(db: Reader, migrations: readonly Migration[], nowMs: number): Promise<void> {
  await sql`CREATE TABLE IF NOT EXISTS migrations (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL
  )`.execute(db);
  const applied = await db.selectFrom("migrations").select("id").orderBy("id").execute();
  const newest = applied.at(-1)?.id ?? 0;
  const known = migrations.at(-1)?.id ?? 0;
  if (newest > known) {
    throw new MeshError("store-too-new", `the database is of version ${newest}, this build knows ${known}`);
  }
  for (const migration of migrations.filter(({ id }) => id > newest)) {
    await db.transaction().execute(async (transaction) => {
      await migration.up(transaction as unknown as Kysely<never>);
      await transaction
        .insertInto("migrations")
        .values({ id: migration.id, name: migration.name, applied_at: nowMs })
        .execute();
    });
  }
}
