import Database from "better-sqlite3";

/** Every row of every table of an SQLite database, which is a file or a backup's bytes. */
export function readDatabase(source: string | Buffer): Record<string, unknown[]> {
  const database = new Database(source, { readonly: typeof source === "string" });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all() as string[];
    return Object.fromEntries(tables.map((table) => [table, database.prepare(`SELECT * FROM "${table}"`).all()]));
  } finally {
    database.close();
  }
}
