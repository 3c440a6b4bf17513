import { z } from "zod";
import { transportOrderSchema, writtenPreferenceSchema } from "./path-preference.ts";
import { nameSchema, portSchema } from "./primitives.ts";
import { loadYamlConfig } from "./yaml-config.ts";

/** Linux: 15 bytes, no slash, no white space, not `.` or `..` (`dev_valid_name`); we keep to plain characters. */
export const interfaceNameSchema = z
  .string()
  .regex(/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,14}$/, "an interface name: letters, digits, _ . and -, at most 15");

/**
 * Bytes inside the tunnel: every IPv4 host takes 576 (RFC 791), IPv6 needs 1280 and is left out below; a UDP datagram cannot
 * carry more than 65475 inside a WireGuard message.
 */
export const mtuSchema = z.number().int().min(576).max(65475);

/** The peer's configuration file; `configs/peer.yaml` is the commented example. Every key has a flag. */
export const peerConfigSchema = z
  .strictObject({
    home: z.string().min(1).optional(),
    network: nameSchema.optional(),
    server: z
      .union([
        z
          .string()
          .min(1)
          .transform((one) => [one]),
        z.array(z.string().min(1)).min(1).max(8),
      ])
      .optional(),
    token: z.string().min(1).max(2048).optional(),
    token_file: z.string().min(1).optional(),
    name: nameSchema.optional(),
    interface: interfaceNameSchema.optional(),
    listen_port: z.union([z.literal(0), portSchema]).optional(),
    mtu: mtuSchema.optional(),
    transports: transportOrderSchema.optional(),
    paths: z.record(nameSchema, writtenPreferenceSchema).optional(),
    detach: z.boolean().optional(),
    log_format: z.enum(["pretty", "json"]).optional(),
    verbose: z.boolean().optional(),
  })
  .transform((file) => ({
    home: file.home,
    network: file.network,
    servers: file.server,
    token: file.token,
    tokenFile: file.token_file,
    name: file.name,
    interface: file.interface,
    listenPort: file.listen_port,
    mtu: file.mtu,
    transports: file.transports,
    peerPreferences: file.paths,
    detach: file.detach,
    logFormat: file.log_format,
    verbose: file.verbose,
  }));
export type PeerConfig = z.output<typeof peerConfigSchema>;

/** @throws MeshError `bad-config` naming file and line; `not-found` */
export function loadPeerConfig(path: string): Promise<PeerConfig> {
  return loadYamlConfig(path, peerConfigSchema);
}
