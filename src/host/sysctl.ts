import { readFile, writeFile } from "node:fs/promises";
import { errnoOf, MeshError } from "../base/errors.ts";

/** Settings of the kernel below `/proc/sys`, of this network namespace where they have one each. */
export interface Sysctls {
  /** Undefined where this kernel knows no such setting. */
  read(key: string): Promise<string | undefined>;
  /** @throws MeshError `host-change-failed` */
  write(key: string, value: string): Promise<void>;
}

export const systemSysctls: Sysctls = {
  async read(key) {
    try {
      return (await readFile(pathOf(key), "latin1")).trim();
    } catch (failure) {
      if (errnoOf(failure) === "ENOENT") return undefined;
      throw failure;
    }
  },
  async write(key, value) {
    try {
      await writeFile(pathOf(key), value);
    } catch (cause) {
      throw new MeshError("host-change-failed", `the kernel setting ${key} cannot be ${value} (${errnoOf(cause)})`, {
        cause,
      });
    }
  },
};

/** As of sysctl(8): dots part the levels, and a slash stands for a dot within one. */
function pathOf(key: string): string {
  const swapped = key.replace(/[./]/g, (each) => (each === "." ? "/" : "."));
  return `/proc/sys/${swapped}`;
}
