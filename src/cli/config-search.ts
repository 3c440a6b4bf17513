import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The configuration file to read: the one given, else the first of the known places that exists. */
export function findConfig(kind: "peer" | "server", given: string | undefined): string | undefined {
  if (given !== undefined) return resolve(given);
  const places =
    kind === "server"
      ? [resolve("server.yaml"), "/etc/mesh/server.yaml"]
      : [resolve("peer.yaml"), join(homedir(), ".mesh", "config.yaml"), "/etc/mesh/peer.yaml"];
  return places.find((place) => existsSync(place));
}
