import { mkdir } from "node:fs/promises";
import { errnoOf, MeshError } from "../../base/errors.ts";

/** @throws MeshError `not-permitted` */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno !== "EACCES" && errno !== "EPERM" && errno !== "EROFS") throw cause;
    throw new MeshError("not-permitted", `${path} cannot be made (${errno})`, { cause });
  }
}
