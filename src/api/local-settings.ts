import { z } from "zod";

/** Of the local API: how the daemon runs. Names and values are those of `peer.yaml`. */

export const settingViewSchema = z.object({
  key: z.string(),
  value: z.unknown(),
  /** `command`: by `mesh set`, `mesh exit use` and the like, which outweigh the configuration. */
  source: z.enum(["default", "configuration", "command"]),
  /** How a change takes effect: while traffic goes on, or by building the tunnel anew. */
  change: z.enum(["live", "rebuild"]),
});
export type SettingView = z.infer<typeof settingViewSchema>;

export const settingsViewSchema = z.object({ settings: z.array(settingViewSchema) });
export type SettingsView = z.infer<typeof settingsViewSchema>;

const writtenSchema = z.record(z.string().max(64), z.unknown());

/** All of them, or none. Null stands for the default. */
export const settingsRequestSchema = z.strictObject({ settings: writtenSchema });
export type SettingsRequest = z.infer<typeof settingsRequestSchema>;

/** What flags and configuration file say; `reset` drops what commands have set. */
export const settleRequestSchema = z.strictObject({ settings: writtenSchema, reset: z.boolean() });
export type SettleRequest = z.infer<typeof settleRequestSchema>;

export const settingsReplySchema = settingsViewSchema.extend({
  /** Those that have another value now. */
  changed: z.array(z.string()),
  /** The tunnel was built anew. */
  rebuilt: z.boolean(),
});
export type SettingsReply = z.infer<typeof settingsReplySchema>;
