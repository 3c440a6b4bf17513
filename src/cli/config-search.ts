import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The configuration file to read: the one given, else the first of the known places that exists. */
export function findConfig(kind: "peer" | "server" | "relay", given: string | undefined): string | undefined {
  if (given !== undefined) return resolve(given);
  const places =
    kind === "peer"
      ? [resolve("peer.yaml"), join(homedir(), ".mesh", "config.yaml"), "/etc/mesh/peer.yaml"]
      : [resolve(`${kind}.yaml`), `/etc/mesh/${kind}.yaml`];
  return places.find((place) => existsSync(place));
}
