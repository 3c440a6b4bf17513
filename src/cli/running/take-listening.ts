import { isDeepStrictEqual } from "node:util";
import type { ListeningOptions } from "../../api/listening-config.ts";
import type { RelayConfig } from "../../api/relay-config.ts";
import type { ServerConfig } from "../../api/server-config.ts";
import type { Logger } from "../../base/logger.ts";
import type { Log } from "../../daemon/log/log.ts";
import type { LiveOptions } from "../../web/live-servers.ts";

/** Taken up while clients are served; `tls` from files to files only. */
type Live = "tls" | "trustedProxies" | "metricsListen" | "logLevels";
/** The others, with their keys in the file. */
type AtStart<Config> = Record<Exclude<keyof Config, Live>, string>;

const LISTENING_AT_START: AtStart<ListeningOptions> = {
  home: "home",
  listen: "listen",
  stunListen: "stun_listen",
  publicUrls: "public_url",
  relayLimits: "relay_limits",
  logFormat: "log_format",
  verbose: "verbose",
};

export const SERVER_AT_START: AtStart<ServerConfig> = {
  ...LISTENING_AT_START,
  adminSocketPath: "admin_socket",
  name: "name",
  domain: "domain",
  networkCidr4: "network_cidr",
  networkCidr6: "network_cidr6",
  relay: "relay",
  join: "join",
};

export const RELAY_AT_START: AtStart<RelayConfig> = {
  ...LISTENING_AT_START,
  servers: "server",
  token: "token",
  tokenFile: "token_file",
  name: "name",
};

/** Of a coordinator or relay. */
export interface Reconfigurable {
  reconfigure(options: LiveOptions): Promise<void>;
}

/**
 * Has what runs take up `next`, as far as it can, and says in the log what has to wait for its next start.
 * @param started by which it runs @throws MeshError as `Reconfigurable`; what was in force still is then
 */
export async function takeListening<Options extends Partial<ListeningOptions>>(
  atStart: Readonly<Record<string, string>>,
  { started, next }: { readonly started: Options; readonly next: Options },
  server: Reconfigurable,
  { logger, levels }: Pick<Log, "logger" | "levels">,
): Promise<void> {
  const tls = [started, next].map((options) => options.tls ?? "auto");
  const areFiles = tls.every((one) => typeof one === "object");
  await server.reconfigure({
    tlsFiles: areFiles && typeof next.tls === "object" ? next.tls : undefined,
    trustedProxies: next.trustedProxies ?? [],
    metricsListen: next.metricsListen ?? [],
  });
  levels.use(next.logLevels ?? {});
  logger.info({}, "the configuration is read again");
  const late = changedKeys(atStart, started, next);
  if (!areFiles && !isDeepStrictEqual(tls[0], tls[1])) late.push("tls");
  sayLate(late, logger);
}

/** The keys of what differs. @param keys by field */
export function changedKeys(keys: Readonly<Record<string, string>>, before: object, after: object): string[] {
  const hasChanged = (field: string) => !isDeepStrictEqual(Reflect.get(before, field), Reflect.get(after, field));
  return Object.entries(keys).flatMap(([field, key]) => (hasChanged(field) ? [key] : []));
}

export function sayLate(keys: readonly string[], logger: Logger): void {
  if (keys.length > 0) logger.warn({ keys }, `with the next start, not before: ${keys.join(", ")}`);
}
