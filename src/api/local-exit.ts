import { z } from "zod";
import { exitNodesSchema } from "./exit-node.ts";
import { cidrSchema, instantSchema, ip4Schema, ip6Schema, ipFamilySchema, nameSchema } from "./primitives.ts";

/** Exits and routes as this machine sees them and has them: `mesh exit …`, `mesh routes`. Routes: `local.ts`. */

/** A peer through which this machine may send to the internet. */
export const exitPeerSchema = z.object({
  name: nameSchema,
  ip4: ip4Schema,
  ip6: ip6Schema,
  /** Those in which it leads there. */
  families: z.array(ipFamilySchema),
  online: z.boolean(),
  tags: z.array(nameSchema),
});
export type ExitPeer = z.infer<typeof exitPeerSchema>;

/** This machine as an exit for others. */
export const exitOfferSchema = z.object({
  /** It was asked for. */
  offered: z.boolean(),
  /** Those in which this host leads to the internet; of none, it is an exit for nobody. */
  families: z.array(ipFamilySchema),
  /** By an admin. */
  forbidden: z.boolean(),
});
export type ExitOffer = z.infer<typeof exitOfferSchema>;

/** This machine as one that sends by others. */
export const exitUseSchema = z.object({
  /** What was asked for, in order; empty for no exit: then nothing of the rest counts. */
  nodes: exitNodesSchema,
  /** The one in use. Null while none can be: what would go through it is kept in. */
  using: nameSchema.nullable(),
  /** Those in which traffic goes through it; what is of another is kept in. */
  families: z.array(ipFamilySchema),
  /** The local network stays within reach. */
  allowLan: z.boolean(),
  /** Unless `mesh exit confirm` comes before, what was before holds again then. */
  confirmBy: instantSchema.nullable(),
});
export type ExitUseView = z.infer<typeof exitUseSchema>;

export const exitUseRequestSchema = z.strictObject({
  nodes: exitNodesSchema,
  /** Left out: as it was. */
  allowLan: z.boolean().optional(),
  confirmWithinSeconds: z.number().int().min(1).max(86_400).nullable().default(null),
});
export type ExitUseRequest = z.input<typeof exitUseRequestSchema>;

/** What a leak test looked at. */
const exitCheckItemSchema = z.object({
  what: z.string(),
  /** Null where it says nothing for or against. */
  ok: z.boolean().nullable(),
  /** What was seen. */
  evidence: z.string(),
});
export type ExitCheckItem = z.infer<typeof exitCheckItemSchema>;

/** `ok`: nothing was seen to get around the exit. */
export const exitCheckSchema = z.object({ ok: z.boolean(), checks: z.array(exitCheckItemSchema) });
export type ExitCheck = z.infer<typeof exitCheckSchema>;

export const exitViewSchema = z.object({ offer: exitOfferSchema, use: exitUseSchema, exits: z.array(exitPeerSchema) });
export type ExitView = z.infer<typeof exitViewSchema>;

export const exitOfferRequestSchema = z.strictObject({ offer: z.boolean() });

/** A network behind another peer, or (`peer` is null) behind this machine. */
export const routeViewSchema = z.object({
  cidr: cidrSchema,
  peer: nameSchema.nullable(),
  inForce: z.boolean(),
  /** Why, or why not. */
  detail: z.string(),
});
export type RouteView = z.infer<typeof routeViewSchema>;

export const routesViewSchema = z.object({ routes: z.array(routeViewSchema) });
export type RoutesView = z.infer<typeof routesViewSchema>;
