import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { ScriptError, step } from "./console.mjs";
import { findCommand, run } from "./process.mjs";
import { cacheDirectory } from "./project.mjs";

/**
 * Debian packages whose files alone are wanted: installed, they would take this machine's resolv.conf or firewall into their
 * hands. Of each the version that this Debian has.
 */
const PACKAGES = [
  ...["systemd-resolved", "libsystemd-shared"],
  ...["openresolv", "resolvconf"],
  ...["iptables", "libxtables12", "libip4tc2", "libip6tc2", "libnetfilter-conntrack3", "libnfnetlink0"],
  ...["ufw", "firewalld", "python3-firewall", "python3-nftables"],
  "prometheus",
  "caddy",
  ...["python3-dbus", "python3-gi", "gir1.2-glib-2.0", "libgirepository-1.0-1"],
];

const unpackedRoot = join(cacheDirectory, "packages");

/** Where the files of a package are, as below `/` of a system whose `/lib` and `/sbin` are in `/usr`. */
export function unpackedPackage(name) {
  return join(unpackedRoot, name);
}

/** @throws ScriptError where they cannot be had */
export async function ensureUnpacked() {
  const missing = PACKAGES.filter((name) => !existsSync(unpackedPackage(name)));
  if (missing.length === 0) return;
  if (findCommand("apt-get") === undefined || findCommand("dpkg-deb") === undefined)
    throw new ScriptError(
      "the tests of other resolvers and firewalls need the files of Debian packages, and this system has no apt-get",
    );
  step(`Unpacking, not installing: ${missing.join(" ")}`);
  const directory = join(unpackedRoot, `.new-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  try {
    const download = ["-q", "download", ...missing];
    if ((await run("apt-get", download, { cwd: directory })).status !== 0) {
      // No lists of packages, or older than the mirror.
      await run("apt-get", ["-q", "update"]);
      await must(directory, "apt-get", ...download);
    }
    for (const file of readdirSync(directory).filter((name) => name.endsWith(".deb"))) {
      const name = file.slice(0, file.indexOf("_"));
      const place = join(directory, name);
      for (const part of ["bin", "lib", "sbin"]) {
        mkdirSync(join(place, "usr", part), { recursive: true });
        symlinkSync(`usr/${part}`, join(place, part));
      }
      const unpack = 'dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"';
      await must(directory, "sh", "-c", unpack, file, place);
      // Whole, or not there.
      rmSync(unpackedPackage(name), { recursive: true, force: true });
      renameSync(place, unpackedPackage(name));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function must(cwd, command, ...args) {
  const { status, stderr } = await run(command, args, { cwd });
  if (status !== 0) throw new ScriptError(`${command} ${args.join(" ")} failed: ${stderr.trim().split("\n").at(-1)}`);
}
