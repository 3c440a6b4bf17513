import { rm } from "node:fs/promises";
import { makeCurrentNoMore } from "./current-network.ts";
import { type Home, networkPaths } from "./home.ts";

/** Removes keys and state of a network from the disk. */
export async function removeNetwork(home: Home, network: string): Promise<void> {
  await rm(networkPaths(home, network).directory, { recursive: true, force: true });
  await makeCurrentNoMore(home, network);
}
