import { z } from "zod";
import { hostPortSchema, instantSchema, ip4Schema, nameSchema } from "./primitives.ts";

const tagsSchema = z.array(nameSchema).max(32);

const expiresInSecondsSchema = z
  .number()
  .int()
  .min(1)
  .max(10 * 365 * 86_400)
  .default(14 * 86_400);

/**
 * What admins ask of the coordinator: on its host through the admin socket (HTTP on a Unix socket), from an admin peer
 * through the local API of its daemon, which signs the request and passes it on (`signed-request.ts`). Same paths and bodies.
 *
 *     POST   /v1/admin/tokens       tokenCreateSchema  → tokenCreatedSchema
 *     GET    /v1/admin/tokens       → tokenSchema[]
 *     DELETE /v1/admin/tokens/:id   → tokenSchema
 *     GET    /v1/admin/peers        → adminPeerSchema[]
 *     GET    /v1/admin/relays       → adminRelaySchema[]
 *     DELETE /v1/admin/relays/:name → adminRelaySchema   the relay serves nobody any more
 *     DELETE /v1/admin/peers/:name  → adminPeerSchema    as it was; of one that is only invited: withdraws the invitation
 *     POST   /v1/admin/peers/:name/rename              peerRenameSchema → adminPeerSchema
 *     POST   /v1/admin/peers/:name/enable, …/disable   {} → adminPeerSchema
 *     POST   /v1/admin/peers/:name/admin               peerAdminSchema → adminPeerSchema
 *     POST   /v1/admin/peers/:name/tags                peerTagsSchema → adminPeerSchema
 *     POST   /v1/admin/peers/:name/override-endpoint   overrideEndpointSchema → adminPeerSchema
 *     POST   /v1/admin/exits/:name                     exitAllowanceSchema → peerOffersSchema (`admin-offers.ts`)
 *     GET    /v1/admin/routes       → advertisedRouteSchema[]
 *     POST   /v1/admin/routes/:name/approve, …/revoke   routeSchema → peerOffersSchema
 *     POST   /v1/admin/invitations/:name/reissue       invitationReissueSchema → tokenCreatedSchema
 *     GET    /v1/admin/audit        ?since=INSTANT&after=ID&limit=N → adminEventSchema[]   oldest first
 *     GET    /v1/admin/backup       → the database, SQLite; to the coordinator's own host only
 */
export const tokenCreateSchema = z.strictObject({
  /** Binds the token to this peer name. */
  name: nameSchema.optional(),
  /** The leaf CIDR that peers land in; the default leaf when left out. */
  cidr: nameSchema.optional(),
  /** Binds the token to this IPv4 address; implies one use. */
  ip4: ip4Schema.optional(),
  /** Binds the token to an address that the coordinator chooses now; implies one use. */
  autoIp: z.boolean().default(false),
  admin: z.boolean().default(false),
  tags: tagsSchema.default([]),
  /** null: unlimited. */
  uses: z.number().int().min(1).max(1_000_000).nullable().default(1),
  expiresInSeconds: expiresInSecondsSchema,
  /** Peers that join with it are removed when they have been away for long. */
  ephemeral: z.boolean().default(false),
  /** For a stand-alone relay (`mesh relay`) instead of a peer. */
  relay: z.boolean().default(false),
});
export type TokenCreate = z.infer<typeof tokenCreateSchema>;

export const tokenStateSchema = z.enum(["active", "used", "expired", "revoked"]);

export const tokenSchema = z.object({
  id: z.string(),
  name: nameSchema.nullable(),
  cidr: nameSchema,
  ip4: ip4Schema.nullable(),
  admin: z.boolean(),
  tags: z.array(nameSchema),
  ephemeral: z.boolean(),
  relay: z.boolean(),
  /** Uses allowed, null for unlimited. */
  uses: z.number().int().nullable(),
  usesLeft: z.number().int().nullable(),
  state: tokenStateSchema,
  createdAt: instantSchema,
  expiresAt: instantSchema,
});
export type Token = z.infer<typeof tokenSchema>;

/** The only answer that ever carries the token itself. */
export const tokenCreatedSchema = tokenSchema.extend({ token: z.string(), joinCommand: z.string() });
export type TokenCreated = z.infer<typeof tokenCreatedSchema>;

export const adminPeerSchema = z.object({
  name: nameSchema,
  /** Null for one that is invited without an address of its own. */
  ip4: ip4Schema.nullable(),
  ip6: z.string().nullable(),
  cidr: nameSchema,
  /** Null for one that is invited: its keys are made when it joins. */
  publicKey: z.string().nullable(),
  state: z.enum(["invited", "active", "disabled"]),
  admin: z.boolean(),
  online: z.boolean(),
  lastSeenAt: instantSchema.nullable(),
  /** Removed when it has been away for long. */
  ephemeral: z.boolean(),
  tags: z.array(nameSchema),
  /** `HOST:PORT` at which an admin says that it is reached. */
  overrideEndpoint: hostPortSchema.nullable(),
});
export type AdminPeer = z.infer<typeof adminPeerSchema>;

/** A stand-alone relay. */
export const adminRelaySchema = z.object({
  name: nameSchema,
  id: z.string(),
  /** Empty until it has told. */
  urls: z.array(z.string()),
  stunPorts: z.array(z.number().int()),
  /** By whom its certificate is issued: the coordinator's CA, or one that systems trust. */
  certificate: z.enum(["mesh", "public"]),
  online: z.boolean(),
  lastSeenAt: instantSchema.nullable(),
  createdAt: instantSchema,
});
export type AdminRelay = z.infer<typeof adminRelaySchema>;

export const peerRenameSchema = z.strictObject({ to: nameSchema });
export const peerAdminSchema = z.strictObject({ admin: z.boolean() });
/** All that it is to have. */
export const peerTagsSchema = z.strictObject({ tags: tagsSchema });
export const invitationReissueSchema = z.strictObject({ expiresInSeconds: expiresInSecondsSchema });
export type InvitationReissue = z.infer<typeof invitationReissueSchema>;
/** null: back to what the peer says itself. */
export const overrideEndpointSchema = z.strictObject({ endpoint: hostPortSchema.nullable() });

export const auditQuerySchema = z.strictObject({
  since: instantSchema.optional(),
  /** Events that follow the one of this id. */
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
});
export type AuditQuery = z.output<typeof auditQuerySchema>;

/** Who did what to what, and how it was before and after where that says something. */
export const adminEventSchema = z.object({
  id: z.number().int(),
  at: instantSchema,
  /** `host`, `coordinator`, `peer:NAME` or `relay:NAME`. */
  actor: z.string(),
  /** `peer.rename`, `token.create`, … */
  action: z.string(),
  subject: z.string(),
  before: z.record(z.string(), z.unknown()).nullable(),
  after: z.record(z.string(), z.unknown()).nullable(),
});
export type AdminEvent = z.infer<typeof adminEventSchema>;
