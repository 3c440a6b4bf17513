import { randomBytes } from "node:crypto";
import { lstat, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf } from "../base/errors.ts";

const TEMPORARY = /\.tmp-[0-9a-f]{12}$/;

/**
 * Writes `data` so that after a crash `path` holds either all of it or what was there before: temporary file, fsync,
 * rename, fsync of the directory. The directory must exist.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  { mode }: { readonly mode: number },
): Promise<void> {
  const temporary = `${path}.tmp-${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (failure) {
    // The failure of the write is the one to report, not that of tidying up after it.
    await unlink(temporary).catch(() => undefined);
    throw failure;
  }
  await syncDirectory(dirname(path));
}

/**
 * Removes what writers that were killed left of their temporary files.
 * @param idleMs nobody has written there for this long: 0 where no other process writes in that directory
 */
export async function sweepTemporaries(directory: string, { idleMs }: { readonly idleMs: number }): Promise<void> {
  const names = await unlessGone(readdir(directory));
  for (const name of names?.filter((one) => TEMPORARY.test(one)) ?? []) {
    const path = join(directory, name);
    const stats = await unlessGone(lstat(path));
    if (stats !== undefined && Date.now() - stats.mtimeMs >= idleMs) await rm(path, { force: true });
  }
}

async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    throw failure;
  }
}

/** Has renames and new names in it on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
