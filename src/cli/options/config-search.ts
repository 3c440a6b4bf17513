import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** What a configuration file can be for: `mesh join` and `mesh up`, `mesh serve`, `mesh relay`. */
export const configKinds = ["peer", "server", "relay"] as const;
export type ConfigKind = (typeof configKinds)[number];

/** The configuration file to read: the one given, else the first of the known places that exists. */
export function findConfig(kind: ConfigKind, given: string | undefined): string | undefined {
  if (given !== undefined) return resolve(given);
  const places =
    kind === "peer"
      ? [resolve("peer.yaml"), join(homedir(), ".mesh", "config.yaml"), "/etc/mesh/peer.yaml"]
      : [resolve(`${kind}.yaml`), `/etc/mesh/${kind}.yaml`];
  return places.find((place) => existsSync(place));
}
