import { z } from "zod";
import { listeningOptions, listeningShape } from "./listening-config.ts";
import { cidrSchema, nameSchema } from "./primitives.ts";
import { loadYamlConfig } from "./yaml-config.ts";

/** DNS suffix of the network: one or more labels, no dot at either end. */
export const domainSchema = z
  .string()
  .max(253)
  .refine(
    (text) => text.split(".").every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)),
    "a domain such as mesh or mesh.example.com, in lower case",
  );

/** `on` and `off` are booleans in YAML 1.1. */
const onOffSchema = z.union([z.enum(["on", "off"]).transform((word) => word === "on"), z.boolean()], "on or off");

/** `mesh serve`'s configuration file; `configs/server.yaml` is the commented example. Every key has a flag. */
export const serverConfigSchema = z
  .strictObject({
    ...listeningShape,
    admin_socket: z.string().min(1).optional(),
    name: nameSchema.optional(),
    domain: domainSchema.optional(),
    network_cidr: cidrSchema.optional(),
    network_cidr6: cidrSchema.optional(),
    relay: onOffSchema.optional(),
    join: z.union([onOffSchema, nameSchema], "on, off, or the name of this host as a peer").optional(),
  })
  .transform((file) => ({
    ...listeningOptions(file),
    adminSocketPath: file.admin_socket,
    name: file.name,
    domain: file.domain,
    networkCidr4: file.network_cidr,
    networkCidr6: file.network_cidr6,
    relay: file.relay,
    /** This host is a peer as well: by its own name, or by this one. */
    join: file.join,
  }));

/** Field for field what the coordinator's options are called, and the two that concern the process's log. */
export type ServerConfig = z.output<typeof serverConfigSchema>;

/** @throws MeshError `bad-config` naming file and line; `not-found` */
export function loadServerConfig(path: string): Promise<ServerConfig> {
  return loadYamlConfig(path, serverConfigSchema);
}
