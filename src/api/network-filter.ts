import { z } from "zod";
import { filterIdSchema, filterTtlSchema, networkRuleSchema, networkRuleShape } from "./filter-rule.ts";
import { instantSchema } from "./primitives.ts";

/**
 * What admins ask of the coordinator about the packet filter of the whole network; how, see `admin.ts`.
 *
 *     GET  /v1/admin/filter         → networkFilterEntrySchema[]   the oldest first
 *     POST /v1/admin/filter         networkFilterAddSchema → networkFilterEntrySchema
 *     POST /v1/admin/filter/remove  networkFilterRemoveSchema → networkFilterEntrySchema   as it was
 */
export const networkFilterEntrySchema = z.object({
  id: filterIdSchema,
  layer: z.literal("coordinator"),
  ...networkRuleShape,
  expiresAt: instantSchema.nullable(),
  /** Why it fits nobody at present; null where it may. */
  note: z.string().nullable(),
});
export type NetworkFilterEntry = z.infer<typeof networkFilterEntrySchema>;

export const networkFilterAddSchema = z.strictObject({ rule: networkRuleSchema, ttlSeconds: filterTtlSchema });
export type NetworkFilterAdd = z.infer<typeof networkFilterAddSchema>;

/** By its id, or by what it says; only what is said counts. */
export const networkFilterRemoveSchema = z.union([
  z.strictObject({ id: filterIdSchema }),
  z.strictObject({
    match: z
      .strictObject(networkRuleShape)
      .partial()
      .refine((match) => Object.keys(match).length > 0, "say what the rule says"),
  }),
]);
export type NetworkFilterRemove = z.infer<typeof networkFilterRemoveSchema>;
