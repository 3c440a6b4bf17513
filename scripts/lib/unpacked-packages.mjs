import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ScriptError, step } from "./console.mjs";
import { findCommand, run } from "./process.mjs";
import { cacheDirectory } from "./project.mjs";

/** Debian packages whose files alone are wanted: installed, they would take this machine's resolv.conf into their hands. */
const PACKAGES = ["systemd-resolved", "libsystemd-shared", "openresolv"];

const unpackedRoot = join(cacheDirectory, "unpacked");

/** Where the files of a package are, as below `/`. */
export function unpackedPackage(name) {
  return join(unpackedRoot, name);
}

/** @throws ScriptError where they cannot be had */
export async function ensureUnpacked() {
  if (existsSync(join(unpackedRoot, "complete"))) return;
  if (findCommand("apt-get") === undefined || findCommand("dpkg") === undefined)
    throw new ScriptError(
      "the tests of other resolvers need the files of Debian packages, and this system has no apt-get",
    );
  step(`Unpacking, not installing: ${PACKAGES.join(" ")}`);
  rmSync(unpackedRoot, { recursive: true, force: true });
  mkdirSync(unpackedRoot, { recursive: true });
  const download = ["-q", "download", ...PACKAGES];
  if ((await run("apt-get", download, { cwd: unpackedRoot })).status !== 0) {
    // No lists of packages, or older than the mirror.
    await run("apt-get", ["-q", "update"]);
    await must("apt-get", download);
  }
  for (const file of readdirSync(unpackedRoot).filter((name) => name.endsWith(".deb"))) {
    await must("dpkg", ["-x", file, file.slice(0, file.indexOf("_"))]);
  }
  // Last: what was broken off is begun anew.
  mkdirSync(join(unpackedRoot, "complete"));
}

async function must(command, args) {
  const { status, stderr } = await run(command, args, { cwd: unpackedRoot });
  if (status !== 0) throw new ScriptError(`${command} ${args.join(" ")} failed: ${stderr.trim().split("\n").at(-1)}`);
}
