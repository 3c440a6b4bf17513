import { open, unlink } from "node:fs/promises";
import { errnoOf, MeshError } from "../base/errors.ts";

/**
 * A file that was not there before, for its owner alone (0600). `fill` is called once it is there, and writes to it.
 * @throws MeshError `file-exists`, `not-permitted`, `bad-usage`, and what `fill` throws; no file is left then
 */
export async function writeNewFile<T>(
  path: string,
  fill: (write: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  const file = await openNew(path);
  try {
    const filled = await fill((text) => file.writeFile(text));
    await file.sync();
    return filled;
  } catch (failure) {
    // The failure is the one to report, not that of tidying up after it.
    await unlink(path).catch(() => undefined);
    throw failure;
  } finally {
    await file.close();
  }
}

async function openNew(path: string) {
  try {
    return await open(path, "wx", 0o600);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "EEXIST") throw new MeshError("file-exists", `${path} is there already`, { cause });
    if (errno === "EACCES" || errno === "EPERM" || errno === "EROFS") {
      throw new MeshError("not-permitted", `${path} cannot be made (${errno})`, { cause });
    }
    throw new MeshError("bad-usage", `${path} cannot be made (${errno ?? cause})`, { cause });
  }
}
