import { z } from "zod";
import { joiningShape } from "./joining-config.ts";
import { listeningOptions, listeningShape } from "./listening-config.ts";
import { loadYamlConfig } from "./yaml-config.ts";

/** `mesh relay`'s configuration file; `configs/relay.yaml` is the commented example. Every key but the limits has a flag. */
export const relayConfigSchema = z
  .strictObject({
    ...listeningShape,
    ...joiningShape,
  })
  .transform((file) => ({
    ...listeningOptions(file),
    servers: file.server,
    token: file.token,
    tokenFile: file.token_file,
    name: file.name,
  }));
export type RelayConfig = z.output<typeof relayConfigSchema>;

/** @throws MeshError `bad-config` naming file and line; `not-found` */
export function loadRelayConfig(path: string): Promise<RelayConfig> {
  return loadYamlConfig(path, relayConfigSchema);
}
