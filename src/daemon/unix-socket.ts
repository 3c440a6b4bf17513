import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname } from "node:path";
import { errnoOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";

const PROBE_LIMIT_MS = 1000;

/** Whether a live process accepts connections at `path`. */
export function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answer = (served: boolean) => {
      socket.destroy();
      resolve(served);
    };
    // A full backlog keeps a connect waiting: somebody holds that socket.
    socket.setTimeout(PROBE_LIMIT_MS, () => answer(true));
    socket.once("connect", () => answer(true));
    socket.once("error", (failure) => answer(errnoOf(failure) === "EAGAIN"));
  });
}

/**
 * Lets `server` listen at `path`, for its owner and root only unless `mode` says more (connecting to a Unix socket needs write
 * permission on it).
 * What a dead process left there is removed first. Returns false, and does nothing, where a live process serves the name.
 * Failures of single connections later on (no file descriptors left) are logged: nobody hearing them would end the process.
 */
export async function listenOnUnixSocket(server: Server, path: string, logger: Logger, mode = 0o600): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  if (await isServed(path)) return false;
  await removeSocket(path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // bind(2) happens inside listen(): the mask covers the moment between it and the chmod.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
  server.on("error", (failure) => logger.warn({ failure, path }, "a connection was not accepted"));
  await chmod(path, mode);
  return true;
}

async function removeSocket(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isSocket()) await unlink(path);
  } catch (failure) {
    if (errnoOf(failure) !== "ENOENT") throw failure;
  }
}
