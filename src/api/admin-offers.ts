import { z } from "zod";
import { cidrSchema, ipFamilySchema, nameSchema } from "./primitives.ts";

/** What admins say to peers that would carry others' traffic: as exits, and to networks behind them. Routes: `admin.ts`. */

export const exitAllowanceSchema = z.strictObject({ allowed: z.boolean() });

export const routeSchema = z.strictObject({ route: cidrSchema });

export const peerOffersSchema = z.object({
  name: nameSchema,
  /** Families in which it offers to be an exit. */
  exit: z.array(ipFamilySchema),
  exitForbidden: z.boolean(),
  /** What it says is behind it. */
  advertisedRoutes: z.array(cidrSchema),
  /** Some may not be advertised at the moment: they hold again when they are. */
  approvedRoutes: z.array(cidrSchema),
});
export type PeerOffers = z.infer<typeof peerOffersSchema>;

/** A network that a peer says is behind it, or that was approved when it did. */
export const advertisedRouteSchema = z.object({
  peer: nameSchema,
  cidr: cidrSchema,
  advertised: z.boolean(),
  approved: z.boolean(),
});
export type AdvertisedRoute = z.infer<typeof advertisedRouteSchema>;
