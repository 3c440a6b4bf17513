import { z } from "zod";
import { PEER_SUBSYSTEMS } from "../base/log-levels.ts";
import { MAX_ADVERTISED_ROUTES, MAX_SSH_PORTS } from "./bounds.ts";
import { writtenExitNodesSchema } from "./exit-node.ts";
import { filterDefaultSchema, filterRuleSchema, writtenFilterRuleSchema } from "./filter-rule.ts";
import { joiningShape } from "./joining-config.ts";
import { metricsListenSchema } from "./listening-config.ts";
import { logLevelsSchema } from "./log-levels.ts";
import { transportOrderSchema, writtenPreferenceSchema } from "./path-preference.ts";
import { cidrSchema, nameSchema, portSchema } from "./primitives.ts";
import { writtenSshSchema } from "./ssh-jump.ts";
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

const off = z.literal("off");

/** `off` is 0. */
const fwmarkSchema = z.union([off.transform(() => 0), z.number().int().min(0).max(0xffff_ffff)], "a mark, or off");

/** TCP ports; `off` is none. */
const sshPortsSchema = z.union(
  [off.transform(() => []), portSchema.transform((one) => [one]), z.array(portSchema).min(1).max(MAX_SSH_PORTS)],
  `a TCP port, a list of up to ${MAX_SSH_PORTS}, or off`,
);

/** Of this host, as useradd(8) takes names, and those that directories of users add: no white space, comma or colon. */
export const groupNameSchema = z
  .string()
  .regex(/^[^\s,:/\p{Cc}-][^\s,:/\p{Cc}]{0,63}$/u, "the name of a group of this host");

/** `off` is none. */
export const localGroupSchema = z.union(
  [off.transform(() => null), groupNameSchema],
  "the name of a group of this host, or off",
);

/** Networks; `off` is none. */
const advertiseRoutesSchema = z.union(
  [off.transform(() => []), z.array(cidrSchema).max(MAX_ADVERTISED_ROUTES)],
  `a list of up to ${MAX_ADVERTISED_ROUTES} networks such as 192.168.50.0/24, or off`,
);

const MAX_CONFIGURED_RULES = 4096;

/** The packet filter as the configuration file wants it, in the form in which it is kept. */
export const filterSettingsSchema = z.strictObject({
  defaults: z.strictObject({ in: filterDefaultSchema.optional(), out: filterDefaultSchema.optional() }),
  rules: z.array(filterRuleSchema).max(MAX_CONFIGURED_RULES),
});
export type FilterSettings = z.output<typeof filterSettingsSchema>;

/** `default` is for what peers start, `default_out` for what this machine starts. */
const writtenFilterSchema = z
  .strictObject({
    default: filterDefaultSchema.optional(),
    default_out: filterDefaultSchema.optional(),
    rules: z.array(writtenFilterRuleSchema).max(MAX_CONFIGURED_RULES).default([]),
  })
  .transform(
    (file): FilterSettings => ({
      defaults: {
        ...(file.default === undefined ? {} : { in: file.default }),
        ...(file.default_out === undefined ? {} : { out: file.default_out }),
      },
      rules: file.rules,
    }),
  );

/** How the daemon runs, as people write it: keys of the configuration file that `mesh set` takes as well. */
export const writtenSettingsSchema = z
  .strictObject({
    interface: interfaceNameSchema,
    listen_port: z.union([z.literal(0), portSchema], "a port, or 0 for any free one"),
    ssh_port: sshPortsSchema,
    ssh: writtenSshSchema,
    fwmark: fwmarkSchema,
    mtu: mtuSchema,
    transports: transportOrderSchema,
    paths: z.record(nameSchema, writtenPreferenceSchema),
    filter: writtenFilterSchema,
    allow_exit_traffic: z.boolean(),
    advertise_routes: advertiseRoutesSchema,
    snat_routes: z.boolean(),
    accept_routes: z.boolean(),
    exit_node: writtenExitNodesSchema,
    exit_allow_lan: z.boolean(),
    dns: z.boolean(),
    local_group: localGroupSchema,
    metrics_listen: metricsListenSchema,
    log_levels: logLevelsSchema(PEER_SUBSYSTEMS),
  })
  .partial();
export type WrittenSettings = z.input<typeof writtenSettingsSchema>;

/** The peer's configuration file; `configs/peer.yaml` is the commented example. Most keys have a flag. */
export const peerConfigSchema = z
  .strictObject({
    home: z.string().min(1).optional(),
    network: nameSchema.optional(),
    ...joiningShape,
    invite_file: z.string().min(1).optional(),
    ...writtenSettingsSchema.shape,
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
    inviteFile: file.invite_file,
    name: file.name,
    interface: file.interface,
    listenPort: file.listen_port,
    sshPorts: file.ssh_port,
    sshJump: file.ssh,
    fwmark: file.fwmark,
    mtu: file.mtu,
    transports: file.transports,
    peerPreferences: file.paths,
    filter: file.filter,
    allowExitTraffic: file.allow_exit_traffic,
    advertiseRoutes: file.advertise_routes,
    snatRoutes: file.snat_routes,
    acceptRoutes: file.accept_routes,
    exitNodes: file.exit_node,
    exitAllowLan: file.exit_allow_lan,
    dns: file.dns,
    localGroup: file.local_group,
    metricsListen: file.metrics_listen,
    logLevels: file.log_levels,
    detach: file.detach,
    logFormat: file.log_format,
    verbose: file.verbose,
  }));
export type PeerConfig = z.output<typeof peerConfigSchema>;

/** @throws MeshError `bad-config` naming file and line; `not-found` */
export function loadPeerConfig(path: string): Promise<PeerConfig> {
  return loadYamlConfig(path, peerConfigSchema);
}
