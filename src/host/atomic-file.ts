import { randomBytes } from "node:crypto";
import { open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";

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

/** Has renames and new names in it on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
