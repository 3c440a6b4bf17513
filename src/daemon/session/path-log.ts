import type { Logger } from "../../base/logger.ts";
import type { TunnelPaths } from "../../router/tunnel/tunnel-paths.ts";

export interface PathLogDeps {
  readonly logger: Logger;
  /** Of the peer with this WireGuard key. */
  readonly nameOf: (publicKey: string) => string;
  readonly onChange: () => void;
}

/** Every choice of a path, and what each was found to carry, stands in the log with its reason. */
export function logPaths(paths: Pick<TunnelPaths, "onDecision" | "onMtu">, deps: PathLogDeps): void {
  const { logger, nameOf, onChange } = deps;
  paths.onDecision(({ publicKey, path, reason }) => {
    const by = path === null ? "none" : `${path.transport} ${path.endpoint}`;
    logger.info({ peer: nameOf(publicKey), path: by, reason }, path === null ? "path lost" : "path chosen");
    onChange();
  });
  paths.onMtu(({ publicKey, path, mtuBytes, reason }) => {
    const by = `${path.transport} ${path.endpoint}`;
    logger.info({ peer: nameOf(publicKey), path: by, mtu: mtuBytes, reason }, "path MTU found");
    onChange();
  });
}
