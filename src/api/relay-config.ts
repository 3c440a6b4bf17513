import { z } from "zod";
import { listeningOptions, listeningShape } from "./listening-config.ts";
import { nameSchema } from "./primitives.ts";
import { loadYamlConfig } from "./yaml-config.ts";

/** `mesh relay`'s configuration file; `configs/relay.yaml` is the commented example. Every key but the limits has a flag. */
export const relayConfigSchema = z
  .strictObject({
    ...listeningShape,
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
