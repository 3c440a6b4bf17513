import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const underSyscallFilter = fileURLToPath(new URL("under-syscall-filter.mjs", import.meta.url));

/**
 * A program, and its arguments, that runs another one with the capabilities and system calls that a unit leaves it.
 * @param files of `configs/systemd`: the unit, and what is added to it
 */
export function asUnit(...files: readonly string[]): string[] {
  const texts = files.map((file) => readFileSync(new URL(`../../../configs/systemd/${file}`, import.meta.url), "utf8"));
  const values = (key: string) =>
    Array.from(texts.join("\n").matchAll(new RegExp(`^${key}=(.+)$`, "gm")), ([, value = ""]) => value);
  const kept = values("CapabilityBoundingSet")
    .flatMap((names) => names.split(" "))
    .map((name) => `+${name.replace("CAP_", "").toLowerCase()}`);
  const setpriv = ["setpriv", `--bounding-set=-all,${kept.join()}`, "--inh-caps=-all", "--no-new-privs"];
  return [...setpriv, process.execPath, underSyscallFilter, values("SystemCallFilter").join()];
}
