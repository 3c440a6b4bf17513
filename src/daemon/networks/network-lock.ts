import { dirname } from "node:path";
import { sweepTemporaries } from "../../host/atomic-file.ts";
import { FileLock } from "../../host/file-lock.ts";
import type { NetworkPaths } from "./home.ts";

/** Of files that all networks of a home share, another process may be writing one. */
const IDLE_MS = 60_000;

/**
 * One daemon per (home, network). What a killed one was writing is swept away.
 * @throws MeshError `already-running`, `not-permitted`
 */
export async function lockNetwork(paths: NetworkPaths): Promise<FileLock> {
  const lock = await FileLock.acquire(paths.lockFile, `a daemon for the network ${paths.network}`);
  try {
    await sweepTemporaries(paths.directory, { idleMs: 0 });
    const shared = [dirname(dirname(paths.directory)), dirname(paths.socketPath)];
    for (const directory of shared) await sweepTemporaries(directory, { idleMs: IDLE_MS });
    return lock;
  } catch (failure) {
    await lock[Symbol.asyncDispose]();
    throw failure;
  }
}
