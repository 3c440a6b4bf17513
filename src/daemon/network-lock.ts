import { FileLock } from "../host/file-lock.ts";
import type { NetworkPaths } from "./home.ts";

/** One daemon per (home, network). @throws MeshError `already-running`, `not-permitted` */
export function lockNetwork(paths: NetworkPaths): Promise<FileLock> {
  return FileLock.acquire(paths.lockFile, `a daemon for the network ${paths.network}`);
}
