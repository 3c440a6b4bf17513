import { readFile, rm } from "node:fs/promises";
import { errnoOf } from "../base/errors.ts";
import { currentNetworkFile, type Home, networkPaths } from "./home.ts";

/** Removes keys and state of a network from the disk. */
export async function removeNetwork(home: Home, network: string): Promise<void> {
  await rm(networkPaths(home, network).directory, { recursive: true, force: true });
  const file = currentNetworkFile(home);
  try {
    if ((await readFile(file, "utf8")).trim() === network) await rm(file, { force: true });
  } catch (failure) {
    if (errnoOf(failure) !== "ENOENT") throw failure;
  }
}
