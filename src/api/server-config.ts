import { z } from "zod";
import { cidrSchema, nameSchema } from "./primitives.ts";
import { loadYamlConfig } from "./yaml-config.ts";

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

/** DNS suffix of the network: one or more labels, no dot at either end. */
export const domainSchema = z
  .string()
  .max(253)
  .refine(
    (text) => text.split(".").every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)),
    "a domain such as mesh or mesh.example.com, in lower case",
  );

/** `mesh serve`'s configuration file; `configs/server.yaml` is the commented example. Every key has a flag. */
export const serverConfigSchema = z
  .strictObject({
    home: z.string().min(1).optional(),
    admin_socket: z.string().min(1).optional(),
    listen: z.union([listenSchema.transform((one) => [one]), z.array(listenSchema).min(1).max(16)]).optional(),
    stun_listen: z
      .union(
        [
          // Before the addresses: a bare `off` (a boolean in YAML 1.1) is none of them.
          z.union([z.literal("off"), z.literal(false)]).transform((): string[] => []),
          listenSchema.transform((one) => [one]),
          // As many ports as peers can be told of.
          z.array(listenSchema).min(1).max(8),
        ],
        "off, or an address such as :3478, or a list of them",
      )
      .optional(),
    public_url: z.union([publicUrlSchema.transform((one) => [one]), z.array(publicUrlSchema).max(8)]).optional(),
    name: nameSchema.optional(),
    domain: domainSchema.optional(),
    network_cidr: cidrSchema.optional(),
    network_cidr6: cidrSchema.optional(),
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
    relay: z
      .union(
        [
          z.enum(["on", "off"]).transform((word) => word === "on"),
          // `on` and `off` are booleans in YAML 1.1.
          z.boolean(),
        ],
        "on or off",
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
    verbose: z.boolean().optional(),
  })
  .transform((file) => ({
    home: file.home,
    adminSocketPath: file.admin_socket,
    listen: file.listen,
    stunListen: file.stun_listen,
    publicUrls: file.public_url,
    name: file.name,
    domain: file.domain,
    networkCidr4: file.network_cidr,
    networkCidr6: file.network_cidr6,
    tls: typeof file.tls === "object" ? { certFile: file.tls.cert, keyFile: file.tls.key } : file.tls,
    relay: file.relay,
    relayLimits:
      file.relay_limits === undefined
        ? undefined
        : {
            mbitPerSecond: file.relay_limits.mbit_per_second,
            datagramsPerSecond: file.relay_limits.datagrams_per_second,
          },
    trustedProxies: file.trusted_proxies,
    logFormat: file.log_format,
    verbose: file.verbose,
  }));

/** Field for field what the coordinator's options are called, and the two that concern the process's log. */
export type ServerConfig = z.output<typeof serverConfigSchema>;

/** @throws MeshError `bad-config` naming file and line; `not-found` */
export function loadServerConfig(path: string): Promise<ServerConfig> {
  return loadYamlConfig(path, serverConfigSchema);
}
