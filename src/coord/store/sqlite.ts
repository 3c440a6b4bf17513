import { chmodSync, closeSync, constants, openSync } from "node:fs";
import type Database from "better-sqlite3";
import { errnoOf, MeshError } from "../../base/errors.ts";

/**
 * Opens (or makes) the database file for this process alone. `synchronous=FULL`: a commit is on the disk before it is
 * acknowledged. `locking_mode=EXCLUSIVE`: the kernel holds a lock on the file as long as the process lives, so a second
 * coordinator on the same home cannot start, and a killed one leaves nothing behind.
 * @throws MeshError `already-running`, `store-missing`, `store-damaged`
 */
export async function openSqlite(path: string): Promise<Database.Database> {
  const Sqlite = await importSqlite();
  // SQLite gives its journal files the mode of the database, so this one decision covers all of them.
  closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600));
  chmodSync(path, 0o600);
  let opened: Database.Database | undefined;
  try {
    const database = new Sqlite(path, { timeout: 500 });
    opened = database;
    database.pragma("locking_mode = EXCLUSIVE");
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    guard(database);
    // WAL takes its lock with the first write; take it here, where a refusal has one meaning.
    database.exec("BEGIN IMMEDIATE; COMMIT");
    return database;
  } catch (cause) {
    opened?.close();
    throw openingError(path, cause);
  }
}

/** Copies tables and rows into a database in memory; of the tables `without`, no rows. */
export async function copySqliteToMemory(
  source: Database.Database,
  without: readonly string[],
): Promise<Database.Database> {
  const copy = new (await importSqlite())(":memory:");
  // Tables first; SQLite makes its own ones by itself, and indices without a text with their tables.
  const made = source.prepare<[], { type: string; name: string; sql: string }>(
    `SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
     ORDER BY type <> 'table'`,
  );
  const copyAll = copy.transaction(() => {
    for (const { type, name, sql } of made.all()) {
      copy.exec(sql);
      if (type !== "table" || without.includes(name)) continue;
      const rows = source.prepare<[], unknown[]>(`SELECT * FROM "${name}"`).raw();
      const places = rows.columns().map(() => "?");
      const insert = copy.prepare(`INSERT INTO "${name}" VALUES (${places.join()})`);
      for (const row of rows.iterate()) insert.run(row);
    }
  });
  copyAll();
  guard(copy);
  return copy;
}

/** For each connection anew. */
function guard(database: Database.Database): void {
  database.pragma("foreign_keys = ON");
  database.pragma("trusted_schema = OFF");
}

async function importSqlite(): Promise<typeof Database> {
  try {
    return (await import("better-sqlite3")).default;
  } catch (cause) {
    throw new MeshError("store-missing", "the package better-sqlite3 is not installed or does not load", { cause });
  }
}

function openingError(path: string, cause: unknown): MeshError {
  const code = errnoOf(cause);
  if (code?.startsWith("SQLITE_BUSY") || code?.startsWith("SQLITE_LOCKED")) {
    return new MeshError("already-running", `another coordinator is using ${path}`, {
      cause,
      hint: "Stop the other one, or use another `--home`.",
    });
  }
  if (code === "SQLITE_NOTADB" || code?.startsWith("SQLITE_CORRUPT")) {
    return new MeshError("store-damaged", `${path} is not a sound database`, { cause });
  }
  if (cause instanceof Error && /bindings|\.node\b/.test(cause.message)) {
    return new MeshError("store-missing", "better-sqlite3 has no binary for this machine", { cause });
  }
  return new MeshError("internal", `cannot open ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
}
