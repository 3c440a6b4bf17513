import { randomBytes } from "node:crypto";
import { chmod, chown, constants, copyFile, link, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { errnoOf, MeshError } from "../../base/errors.ts";
import { syncDirectory } from "../../host/atomic-file.ts";
import { recordEvent } from "../store/audit.ts";
import { openSqlite } from "../store/sqlite.ts";
import { Store } from "../store/store.ts";
import { versionCeilingAfterRestore } from "../upkeep.ts";
import { makePrivateDirectory } from "./private-directory.ts";

interface RestoreOptions {
  /** The backup. */
  readonly file: string;
  /** The coordinator's home. */
  readonly home: string;
  /** Where the home holds a network already, put the backup in its place. */
  readonly replace: boolean;
}

export interface Restored {
  readonly network: string;
  readonly peers: number;
  /** When the backup was taken, or the last thing in it happened: ISO 8601. */
  readonly backupAt: string;
  /** Where the database that was there before is now. */
  readonly replaced: string | null;
}

/**
 * Makes the backup the database of a home at which no coordinator runs. The copy is checked and prepared beside the old
 * one and takes its place in one rename: whatever fails, everything is as before.
 * @throws MeshError `already-running`, `network-exists`, `not-found`, `store-damaged`, `store-too-new`, `not-permitted`
 */
export async function restoreBackup({ file, home, replace }: RestoreOptions, nowMs: number): Promise<Restored> {
  const directory = join(home, "coordinator");
  const path = join(directory, "coordinator.db");
  const candidate = join(directory, `restore-${randomBytes(6).toString("hex")}.db`);
  await requireReadable(file);
  await makePrivateDirectory(directory);
  const existed = await exists(path);
  const old = await lockOld(path, replace);
  let isInPlace = false;
  try {
    if (!replace && old !== undefined && holdsNetwork(old)) {
      throw new MeshError("network-exists", `${directory} holds a network already`);
    }
    await copyFile(file, candidate, constants.COPYFILE_EXCL);
    await chmod(candidate, 0o600);
    const facts = await prepare(candidate, file, nowMs);
    await giveToOwnerOf(directory, candidate);
    const replaced = existed && (old === undefined || holdsNetwork(old)) ? await keepAside(path) : null;
    await rename(candidate, path);
    isInPlace = true;
    await syncDirectory(directory);
    return { ...facts, replaced };
  } finally {
    old?.close();
    for (const suffix of ["", "-wal", "-shm", "-journal"]) await rm(candidate + suffix, { force: true });
    // Only our lock made it.
    if (!existed && !isInPlace) await rm(path, { force: true });
  }
}

/**
 * Opened, the database is locked against a coordinator that starts meanwhile. Without a write-ahead log, which would be
 * taken for that of the new one. Undefined where it is damaged and to be replaced.
 */
async function lockOld(path: string, replace: boolean): Promise<Database.Database | undefined> {
  try {
    const database = await openSqlite(path);
    database.pragma("journal_mode = DELETE");
    database.exec("BEGIN IMMEDIATE; COMMIT");
    return database;
  } catch (failure) {
    if (!(failure instanceof MeshError) || failure.code !== "store-damaged" || !replace) throw failure;
    await rm(`${path}-wal`, { force: true });
    return undefined;
  }
}

function holdsNetwork(database: Database.Database): boolean {
  const table = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'network'").get();
  return table !== undefined && database.prepare("SELECT 1 FROM network").get() !== undefined;
}

/** Checks the copy as a whole, brings it up to date and sets map versions aside. */
async function prepare(candidate: string, file: string, nowMs: number): Promise<Omit<Restored, "replaced">> {
  const damaged = (why: string, cause?: unknown) =>
    new MeshError("store-damaged", `${file} cannot be restored: ${why}`, { cause, hint: "Take an older backup." });
  let database: Database.Database | undefined;
  try {
    database = await openSqlite(candidate);
    if (database.pragma("integrity_check", { simple: true }) !== "ok") throw damaged("its pages are damaged");
    const strays = database.pragma("foreign_key_check");
    if (!Array.isArray(strays) || strays.length > 0) throw damaged("its tables contradict each other");
    if (!holdsNetwork(database)) throw damaged("it holds no network");
    database.close();
    const store = await Store.open(candidate, nowMs);
    try {
      return await bringForward(store, damaged, nowMs);
    } finally {
      await store.close();
    }
  } catch (failure) {
    if (failure instanceof MeshError && failure.code !== "store-damaged" && failure.code !== "internal") throw failure;
    if (failure instanceof MeshError && failure.message.startsWith(file)) throw failure;
    throw damaged("it is not a sound database", failure);
  } finally {
    database?.close();
  }
}

async function bringForward(
  store: Store,
  damaged: (why: string) => MeshError,
  nowMs: number,
): Promise<Omit<Restored, "replaced">> {
  const { reader } = store;
  const network = await reader.selectFrom("network").selectAll().executeTakeFirstOrThrow();
  const authority = await reader
    .selectFrom("authorities")
    .select("fingerprint")
    .where("retired_at", "is", null)
    .executeTakeFirst();
  if (authority === undefined) throw damaged("it has lost the CA");
  const last = await reader.selectFrom("events").select("at").orderBy("id", "desc").executeTakeFirst();
  const backupAtMs = last?.at ?? network.created_at;
  const peers = await reader.selectFrom("peers").select("id").execute();
  await store.write(async (writer) => {
    const ceiling = versionCeilingAfterRestore(network.map_version_ceiling, backupAtMs, nowMs);
    await writer.db.updateTable("network").set({ map_version_ceiling: ceiling }).execute();
    const after = { backupAt: new Date(backupAtMs).toISOString() };
    await recordEvent(writer, nowMs, { actor: "host", action: "network.restore", subject: "network", after });
  });
  return { network: network.name, peers: peers.length, backupAt: new Date(backupAtMs).toISOString() };
}

/** Root restores for the coordinator's own user. */
async function giveToOwnerOf(directory: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(directory);
  await chown(path, uid, gid);
}

/** A second name for the same file, so that there is never a moment without a database. */
async function keepAside(path: string): Promise<string> {
  const aside = `${path}.replaced-${randomBytes(4).toString("hex")}`;
  await link(path, aside);
  return aside;
}

async function requireReadable(file: string): Promise<void> {
  try {
    if ((await stat(file)).isFile()) return;
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "ENOENT" || errno === "ENOTDIR")
      throw new MeshError("not-found", `there is no file ${file}`, { cause });
    throw new MeshError("not-permitted", `${file} cannot be read (${errno})`, { cause });
  }
  throw new MeshError("bad-usage", `${file} is no file`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return false;
    throw failure;
  }
}
