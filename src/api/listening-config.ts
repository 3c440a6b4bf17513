import { z } from "zod";
import { SERVER_SUBSYSTEMS } from "../base/log-levels.ts";
import { logLevelsSchema } from "./log-levels.ts";
import { cidrSchema } from "./primitives.ts";

/** What the configuration files of everything that listens have in common: the coordinator's, and a stand-alone relay's. */

/** `:8443`, `0.0.0.0:8443`, `[::]:8443`, `localhost:8443`. */
export const listenSchema = z
  .string()
  .max(300)
  .regex(/^(\[[0-9a-fA-F:.]+(%[^\]]+)?\]|[^:[\]\s]*):(0|[1-9]\d{0,4})$/, {
    error: "an address such as :8443 or [::1]:8443",
    abort: true,
  })
  .refine((text) => Number(text.slice(text.lastIndexOf(":") + 1)) <= 65535, "a port is 65535 at most");

export const publicUrlSchema = z
  .url({ protocol: /^https?$/, error: "a URL such as https://mesh.example.com:8443" })
  .max(256)
  .refine((text) => URL.canParse(text) && new URL(text).username === "", "a URL without a user name")
  .transform((text) => text.replace(/\/+$/, ""));

/** `off` is none of them. As many as peers can be told of. */
const addressesOrOff = (example: string) =>
  z.union(
    [
      // Before the addresses: a bare `off` (a boolean in YAML 1.1) is none of them.
      z.union([z.literal("off"), z.literal(false)]).transform((): string[] => []),
      listenSchema.transform((one) => [one]),
      z.array(listenSchema).min(1).max(8),
    ],
    `off, or an address such as ${example}, or a list of them`,
  );

/** Where metrics are served. */
export const metricsListenSchema = addressesOrOff("127.0.0.1:9586");

export const listeningShape = {
  home: z.string().min(1).optional(),
  listen: z.union([listenSchema.transform((one) => [one]), z.array(listenSchema).min(1).max(16)]).optional(),
  stun_listen: addressesOrOff(":3478").optional(),
  metrics_listen: metricsListenSchema.optional(),
  public_url: z.union([publicUrlSchema.transform((one) => [one]), z.array(publicUrlSchema).max(8)]).optional(),
  tls: z
    .union(
      [
        z.enum(["auto", "off"]),
        // YAML 1.1 habits: a bare `off` may arrive as a boolean from other tools' output.
        z.literal(false).transform(() => "off" as const),
        z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }),
      ],
      "auto, off, or the files cert and key",
    )
    .optional(),
  relay_limits: z
    .strictObject({
      mbit_per_second: z.number().positive().max(1_000_000).optional(),
      datagrams_per_second: z.number().positive().max(1e9).optional(),
    })
    .optional(),
  trusted_proxies: z.array(cidrSchema).max(64).optional(),
  log_format: z.enum(["pretty", "json"]).optional(),
  log_levels: logLevelsSchema(SERVER_SUBSYSTEMS).optional(),
  verbose: z.boolean().optional(),
};

type ListeningKeys = z.output<z.ZodObject<typeof listeningShape>>;

/** The keys as options are called. */
export function listeningOptions(file: ListeningKeys) {
  const { tls, relay_limits: limits } = file;
  return {
    home: file.home,
    listen: file.listen,
    stunListen: file.stun_listen,
    metricsListen: file.metrics_listen,
    publicUrls: file.public_url,
    tls: typeof tls === "object" ? { certFile: tls.cert, keyFile: tls.key } : tls,
    relayLimits:
      limits === undefined
        ? undefined
        : { mbitPerSecond: limits.mbit_per_second, datagramsPerSecond: limits.datagrams_per_second },
    trustedProxies: file.trusted_proxies,
    logFormat: file.log_format,
    logLevels: file.log_levels,
    verbose: file.verbose,
  };
}
export type ListeningOptions = ReturnType<typeof listeningOptions>;
export type RelayRates = ListeningOptions["relayLimits"];
