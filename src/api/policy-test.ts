import { z } from "zod";

/**
 * Assertions on who may reach whom, checked by the coordinator against the policy as it stands; how, see `admin.ts`.
 *
 *     POST /v1/admin/policy/test   policyTestSchema → policyReportSchema
 */
export const policyTestSchema = z.strictObject({
  /** Lines such as `accept humans -> db:5432/tcp`; see `docs/policy-test.md`. */
  text: z.string().max(48_000, "assertions of 48,000 characters at most"),
});

/** A connection for which an assertion does not hold. */
export const policyViolationSchema = z.object({
  /** Peers. */
  from: z.string(),
  to: z.string(),
  ipVersion: z.union([z.literal(4), z.literal(6)]),
  protocol: z.enum(["tcp", "udp", "icmp", "other"]),
  /** Null where the protocol has none. */
  port: z.number().int().nullable(),
  /** What decides on it: CIDRs and associations, or the network's packet filter. */
  layer: z.enum(["acl", "filter"]),
  /** The id of the rule that decides; null where none does. */
  rule: z.string().nullable(),
  detail: z.string(),
});
export type PolicyViolation = z.infer<typeof policyViolationSchema>;

export const policyResultSchema = z.object({
  /** From 1. */
  line: z.number().int(),
  assertion: z.string(),
  holds: z.boolean(),
  /** Pairs of peers that it speaks of: of none, it says nothing. */
  pairs: z.number().int(),
  /** The first that was found. */
  violation: policyViolationSchema.nullable(),
});
export type PolicyResult = z.infer<typeof policyResultSchema>;

export const policyReportSchema = z.object({ holds: z.boolean(), assertions: z.array(policyResultSchema) });
export type PolicyReport = z.infer<typeof policyReportSchema>;
