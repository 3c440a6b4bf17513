import { z } from "zod";
import { cidrSchema, ip4Schema, nameSchema } from "./primitives.ts";

/**
 * What admins ask of the coordinator about CIDRs and associations; how, see `admin.ts`.
 *
 *     GET    /v1/admin/cidrs                    → adminCidrSchema[]     in the order of their addresses
 *     POST   /v1/admin/cidrs                    cidrCreateSchema → adminCidrSchema
 *     POST   /v1/admin/cidrs/:name/rename       cidrRenameSchema → adminCidrSchema
 *     POST   /v1/admin/cidrs/:name/enable, …/disable  → adminCidrSchema
 *     DELETE /v1/admin/cidrs/:name              → adminCidrSchema       as it was
 *     GET    /v1/admin/associations             → associationSchema[]
 *     POST   /v1/admin/associations             associationSchema → associationSchema
 *     DELETE /v1/admin/associations/:from/:to   → associationSchema     as it was; the order of the two is no matter
 */
export const adminCidrSchema = z.object({
  name: nameSchema,
  cidr4: cidrSchema,
  cidr6: cidrSchema,
  /** The CIDR around it; null for the root. */
  parent: nameSchema.nullable(),
  /** Its own switch; below a disabled CIDR nothing is live, whatever this says. */
  enabled: z.boolean(),
  /** How many are in it itself, disabled ones included. */
  peers: z.number().int(),
  /** The address that the next peer gets; null where none is free, and for a CIDR that holds others. */
  nextIp4: ip4Schema.nullable(),
});
export type AdminCidr = z.infer<typeof adminCidrSchema>;

export const cidrCreateSchema = z.strictObject({
  name: nameSchema,
  cidr4: cidrSchema,
  /** Follows from the IPv4 range when left out. */
  cidr6: cidrSchema.optional(),
  /** The CIDR that the caller expects it to lie in. */
  parent: nameSchema.optional(),
});
export type CidrCreate = z.infer<typeof cidrCreateSchema>;

export const cidrRenameSchema = z.strictObject({ to: nameSchema });

export const associationSchema = z.strictObject({
  /** CIDRs by their names. */
  from: nameSchema,
  to: nameSchema,
  /** Only peers in `from` may start connections. */
  oneWay: z.boolean(),
});
export type Association = z.infer<typeof associationSchema>;
