import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, MeshError } from "../base/errors.ts";
import { PACKAGE_ROOT } from "../base/package-root.ts";
import { writeFileAtomic } from "../host/atomic-file.ts";
import type { ConfigKind } from "./options/config-search.ts";

/**
 * Writes `KIND.yaml` as `configs/` has it to `directory`, and gives its path. Everybody may read it, as every command looks
 * for home and network there; the comments say to keep a token apart.
 * @throws MeshError `file-exists`, `not-permitted`, `bad-usage`
 */
export async function writeExampleConfig(
  kind: ConfigKind,
  { directory, replace }: { readonly directory: string; readonly replace: boolean },
): Promise<string> {
  const text = await readFile(new URL(`configs/${kind}.yaml`, PACKAGE_ROOT));
  const path = join(directory, `${kind}.yaml`);
  if (!replace && existsSync(path)) {
    throw new MeshError("file-exists", `${path} is there already`, { hint: "Replace it with --force." });
  }
  try {
    await mkdir(directory, { recursive: true });
    await writeFileAtomic(path, text, { mode: 0o644 });
  } catch (cause) {
    const errno = errnoOf(cause);
    const code = errno === "EACCES" || errno === "EPERM" || errno === "EROFS" ? "not-permitted" : "bad-usage";
    throw new MeshError(code, `${path} cannot be written (${errno ?? cause})`, { cause });
  }
  return path;
}
