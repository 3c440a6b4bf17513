import { execFileSync } from "node:child_process";
import { unpackedPackage } from "../../scripts/lib/unpacked-packages.mjs";

/** Runs Prometheus's own checker; what it complains of is thrown. */
export function promtool(args: readonly string[], input = ""): string {
  return execFileSync(`${unpackedPackage("prometheus")}/usr/bin/promtool`, args, { input, encoding: "utf8" });
}
