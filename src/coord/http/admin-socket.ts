import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { dirname } from "node:path";
import { errnoOf, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { GracefulServer } from "../../web/graceful-server.ts";
import type { CoordinatorLimits } from "../limits.ts";

/** `sun_path` of `struct sockaddr_un` has 108 bytes, the last of them zero. */
const MAX_PATH_BYTES = 107;

/**
 * Serves HTTP on a Unix socket of mode 0600. The caller holds the home's lock, so a socket that is there already is left
 * over from a killed process.
 * @throws MeshError `bad-config`, `not-permitted`
 */
export async function openAdminSocket(
  path: string,
  onRequest: RequestListener,
  limits: CoordinatorLimits,
  logger: Logger,
): Promise<() => Promise<void>> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new MeshError("bad-config", `the path of the admin socket is longer than ${MAX_PATH_BYTES} bytes: ${path}`);
  }
  const server = createServer({ connectionsCheckingInterval: 2_000 }, onRequest);
  const graceful = new GracefulServer(server, limits, logger);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // listen() binds before it returns: the socket never exists with a wider mode.
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
    await chmod(path, 0o600);
  } catch (cause) {
    server.close();
    const code = errnoOf(cause) === "EACCES" ? "not-permitted" : "bad-config";
    throw new MeshError(code, `cannot make the admin socket ${path}: ${errnoOf(cause) ?? cause}`, { cause });
  }
  return () => graceful.close();
}
