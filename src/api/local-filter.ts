import { z } from "zod";
import {
  filterDefaultSchema,
  filterDirectionSchema,
  filterIdSchema,
  filterLayerSchema,
  filterRuleSchema,
  filterRuleShape,
  filterTtlSchema,
} from "./filter-rule.ts";
import { instantSchema } from "./primitives.ts";

/** The part of the local API that is about the packet filter (`src/api/local.ts`). */

/** A rule as it is listed. */
export const filterEntrySchema = z.object({
  id: filterIdSchema,
  layer: filterLayerSchema,
  ...filterRuleShape,
  /** Connections that it decided since the daemon started: when they opened, and when rules changed. */
  hits: z.number(),
  expiresAt: instantSchema.nullable(),
  /** Why it changes nothing on this machine at present; null where it does. */
  note: z.string().nullable(),
});
export type FilterEntry = z.infer<typeof filterEntrySchema>;

const defaultSchema = z.object({
  verdict: filterDefaultSchema,
  from: z.enum(["command", "configuration", "built-in"]),
});

/** What becomes of connections that no rule speaks of. */
export const filterDefaultsSchema = z.object({ in: defaultSchema, out: defaultSchema });
export type FilterDefaults = z.infer<typeof filterDefaultsSchema>;

export const filterViewSchema = z.object({
  defaults: filterDefaultsSchema,
  rules: z.array(filterEntrySchema),
  /** Connections that are tracked at the moment. */
  connections: z.number(),
});
export type FilterView = z.infer<typeof filterViewSchema>;

export const filterAddSchema = z.strictObject({ rule: filterRuleSchema, ttlSeconds: filterTtlSchema });
export type FilterAdd = z.infer<typeof filterAddSchema>;

/** By its id, or by what it says; only what is said counts. */
export const filterRemoveSchema = z.union([
  z.strictObject({ id: filterIdSchema }),
  z.strictObject({
    match: z
      .strictObject(filterRuleShape)
      .partial()
      .refine((match) => Object.keys(match).length > 0, "say what the rule says"),
  }),
]);
export type FilterRemove = z.infer<typeof filterRemoveSchema>;

/** `verdict` null: what the configuration file says is valid again. */
export const filterDefaultRequestSchema = z.strictObject({
  direction: filterDirectionSchema,
  verdict: filterDefaultSchema.nullable(),
});
export type FilterDefaultRequest = z.infer<typeof filterDefaultRequestSchema>;
