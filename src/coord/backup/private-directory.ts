import { chmod, mkdir } from "node:fs/promises";
import { errnoOf, MeshError } from "../../base/errors.ts";

/** Mode 0700, made where it is not there. @throws MeshError `not-permitted`, `bad-config` */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chmod(path, 0o700);
  } catch (cause) {
    const code = errnoOf(cause);
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
      throw new MeshError("not-permitted", `cannot make ${path}: ${code}`, { cause });
    }
    throw new MeshError("bad-config", `cannot make ${path}: ${code ?? cause}`, { cause });
  }
}
