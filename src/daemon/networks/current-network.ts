import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { errnoOf, MeshError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../host/atomic-file.ts";
import { currentNetwork, currentNetworkFile, currentSocketLink, type Home, networkPaths } from "./home.ts";

/** From now on commands mean this network unless they say otherwise. @throws MeshError `not-permitted` */
export async function makeCurrent(home: Home, network: string): Promise<void> {
  const file = currentNetworkFile(home);
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFileAtomic(file, `${network}\n`, { mode: 0o600 });
    await showCurrent(home);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno !== "EACCES" && errno !== "EPERM" && errno !== "EROFS") throw cause;
    throw new MeshError("not-permitted", `${file} cannot be written (${errno})`, { cause });
  }
}

/** Has the link lead where it is noted: a restart of the machine empties the directory of the sockets. */
export async function showCurrent(home: Home): Promise<void> {
  const network = currentNetwork(home);
  if (network === undefined) return;
  const link = currentSocketLink(home);
  const temporary = `${link}.tmp-${randomBytes(6).toString("hex")}`;
  await mkdir(dirname(link), { recursive: true, mode: 0o755 });
  await symlink(basename(networkPaths(home, network).socketPath), temporary);
  await rename(temporary, link);
}

/** If it is the current one, there is none from now on. */
export async function makeCurrentNoMore(home: Home, network: string): Promise<void> {
  if (currentNetwork(home) !== network) return;
  for (const file of [currentNetworkFile(home), currentSocketLink(home)]) await rm(file, { force: true });
}
