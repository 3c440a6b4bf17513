import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ScriptError, step } from "../../scripts/lib/console.mjs";
import { mustRun } from "../../scripts/lib/process.mjs";

/** Debian 13, the first release with a wireguard-go that uses the segmentation offloads. */
const SUITE = "trixie";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Fetches wireguard-go of Debian 13 into `folder` and unpacks it there, with package lists and a cache of its own: the
 * system's package sources stay as they are, and nothing is installed.
 * @returns {Promise<{path: string, version: string}>} the binary, and the package's upstream version (the binary of
 *   0.0.20231211 gives itself out for 0.0.20230223)
 * @throws ScriptError where this system has no Debian mirror or does not know the release's signing key
 */
export async function fetchWireguardGo(folder) {
  step(`Fetching wireguard-go of Debian ${SUITE}`);
  const apt = await privateApt(folder);
  await mustRun("apt-get", [...apt, "update"]);
  await mustRun("apt-get", [...apt, "download", "wireguard-go"], { cwd: folder });
  const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new ScriptError("apt-get download brought no package");
  const version = /_(?:\d+%3a)?([\d.]+)/.exec(archive)?.[1] ?? "unknown";
  const tree = join(folder, "tree");
  await mustRun("dpkg-deb", ["-x", join(folder, archive), tree]);
  return { path: join(tree, "usr/bin/wireguard-go"), version };
}

/** The options that make apt work below `folder` alone. Proxies and the like are still those of the system. */
async function privateApt(folder) {
  const mirror = await debianMirror();
  const sources = join(folder, "sources.list");
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${mirror} ${SUITE} main\n`);
  for (const name of ["lists/partial", "cache/archives/partial", "empty"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const settings = {
    "Dir::Etc::SourceList": sources,
    "Dir::Etc::SourceParts": join(folder, "empty"),
    "Dir::Etc::PreferencesParts": join(folder, "empty"),
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::State::Status": "/dev/null",
    "Dir::Cache": join(folder, "cache"),
    // The sandbox user of apt may not enter a private temporary folder.
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
  };
  return ["-q", ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
}

/** The mirror that this system takes Debian's own packages from. */
async function debianMirror() {
  const format = "$(CREATED_BY)|$(ORIGIN)|$(SIGNED_BY)|$(REPO_URI)";
  const { stdout } = await mustRun("apt-get", ["indextargets", "--format", format]);
  for (const line of stdout.split("\n")) {
    const [createdBy, origin, signedBy, uri] = line.split("|");
    if (createdBy !== "Packages" || uri.includes("security")) continue;
    // The origin is known after the first `apt-get update` only; the key is written in the source.
    if (origin === "Debian" || signedBy.includes("debian-archive")) return uri;
  }
  throw new ScriptError(
    "no Debian mirror among this system's package sources; give a newer wireguard-go with --wireguard-go PATH",
  );
}
