import { z } from "zod";
import { cidrSchema, ip4Schema, ip6Schema, ipFamilySchema, nameSchema } from "./primitives.ts";

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

export const exitViewSchema = z.object({ offer: exitOfferSchema, exits: z.array(exitPeerSchema) });
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
