import { z } from "zod";

/** Bounds the work that one request is. */
export const MAX_PROPOSED_CHANGES = 500;

/** A request to the coordinator that an admin may come to send, and where it stands in the admin's file, from 1. */
export const proposedChangeSchema = z.strictObject({
  line: z.number().int().min(1),
  method: z.string().max(16),
  path: z.string(),
  body: z.unknown().optional(),
});
export type ProposedChange = z.infer<typeof proposedChangeSchema>;

/**
 * Assertions on who may reach whom, checked by the coordinator against the policy as it stands, or as it would be after
 * some changes; how, see `admin.ts`.
 *
 *     POST /v1/admin/policy/test   policyTestSchema → policyReportSchema
 */
export const policyTestSchema = z.strictObject({
  /** Lines such as `accept humans -> db:5432/tcp`; see `docs/policy-test.md`. */
  text: z.string().max(48_000, "assertions of 48,000 characters at most"),
  /** Made one after the other in a copy of the coordinator's state; left out: the policy as it stands. */
  proposed: z
    .array(proposedChangeSchema)
    .max(MAX_PROPOSED_CHANGES, `${MAX_PROPOSED_CHANGES} proposed changes at most`)
    .optional(),
});
export type PolicyTest = z.infer<typeof policyTestSchema>;

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

export const policyReportSchema = z.object({
  /** Which was tested. */
  policy: z.enum(["live", "proposed"]),
  holds: z.boolean(),
  assertions: z.array(policyResultSchema),
});
export type PolicyReport = z.infer<typeof policyReportSchema>;
