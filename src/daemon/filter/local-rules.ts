import { z } from "zod";
import { filterDefaultSchema, filterIdSchema, filterRuleSchema } from "../../api/filter-rule.ts";
import { instantSchema } from "../../api/primitives.ts";

export const MAX_LOCAL_RULES = 4096;

export const localRuleSchema = z.strictObject({
  id: filterIdSchema,
  rule: filterRuleSchema,
  expiresAt: instantSchema.nullable(),
});
export type LocalRule = z.output<typeof localRuleSchema>;

/** What `mesh filter` was told on this machine, as it is kept on disk. */
export const localFilterSchema = z.strictObject({
  version: z.literal(1),
  defaults: z.strictObject({ in: filterDefaultSchema.optional(), out: filterDefaultSchema.optional() }),
  rules: z.array(localRuleSchema).max(MAX_LOCAL_RULES),
});
export type LocalFilter = z.output<typeof localFilterSchema>;

export const NO_LOCAL_FILTER: LocalFilter = { version: 1, defaults: {}, rules: [] };
