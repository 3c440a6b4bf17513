import { z } from "zod";
import { exitUseSchema } from "./local-exit.ts";
import { peerPreferenceSchema, transportNameSchema } from "./path-preference.ts";
import { endpointSchema, instantSchema, ip4Schema, ip6Schema, key32Schema, nameSchema } from "./primitives.ts";

/**
 * The daemon's local API: HTTP on a Unix socket. `docs/local-api.md` has the routes, what each takes and gives of these shapes,
 * and who may use it.
 *
 * `version` in a path is the API's; `schemaVersion` in a status is that of the printed shape.
 */
export const daemonStateSchema = z.enum(["no-state", "needs-join", "starting", "running", "stopped"]);
export type DaemonState = z.infer<typeof daemonStateSchema>;

/** What was asked for a peer, and where: `mesh prefer` outweighs the configuration file. */
export const activePreferenceSchema = peerPreferenceSchema.safeExtend({ from: z.enum(["command", "configuration"]) });
export type ActivePreference = z.infer<typeof activePreferenceSchema>;

export const statusPeerSchema = z.object({
  name: nameSchema,
  ip4: ip4Schema,
  ip6: ip6Schema,
  publicKey: key32Schema,
  cidr: nameSchema,
  allowedIps: z.array(z.string()),
  online: z.boolean(),
  /** The path in use, null while none works. */
  path: z
    .object({
      transport: transportNameSchema,
      endpoint: z.string(),
      rttMs: z.number().nullable(),
      mtu: z.number().int().nullable(),
      since: instantSchema,
      reason: z.string(),
    })
    .nullable(),
  paths: z.array(
    z.object({
      transport: transportNameSchema,
      endpoint: z.string(),
      rttMs: z.number().nullable(),
      /** The largest packet inside the tunnel that goes by it in one piece, bytes; null until that is known. */
      mtu: z.number().int().nullable(),
      /** The peer has answered by it of late, and it may be used. */
      usable: z.boolean(),
      /** How it stands, in words. */
      detail: z.string(),
    }),
  ),
  /** Receipts of the latest races for a path: each candidate, what came back and why it won or lost. */
  attempts: z.array(
    z.object({
      cause: z.string(),
      startedAt: instantSchema,
      /** Null while it runs. */
      endedAt: instantSchema.nullable(),
      candidates: z.array(
        z.object({
          transport: transportNameSchema,
          endpoint: z.string(),
          triedAt: instantSchema.nullable(),
          probes: z.number().int(),
          heardAt: instantSchema.nullable(),
          answeredAt: instantSchema.nullable(),
          rttMs: z.number().nullable(),
          won: z.boolean(),
          outcome: z.string(),
        }),
      ),
    }),
  ),
  /** What was asked of the paths to it; null for nothing. */
  preference: activePreferenceSchema.nullable(),
  lastHandshakeAt: instantSchema.nullable(),
  /** WireGuard bytes on the wire. */
  rxBytes: z.number(),
  txBytes: z.number(),
});
export type StatusPeer = z.infer<typeof statusPeerSchema>;

const mappingSchema = z.enum(["endpoint-independent", "endpoint-dependent", "blocked", "unknown"]);

/** A relay that this machine uses, or would. */
const relayStatusSchema = z.object({
  /** `coordinator` for the coordinator's own. */
  name: z.string(),
  url: z.string(),
  /** This machine is found there; others are connected to while a peer is wanted that is found there. */
  home: z.boolean(),
  connected: z.boolean(),
  rttMs: z.number().nullable(),
  error: z.string().nullable(),
});
export type RelayStatus = z.infer<typeof relayStatusSchema>;

export const statusSchema = z.object({
  schemaVersion: z.literal(1),
  version: z.string(),
  state: daemonStateSchema,
  network: nameSchema.nullable(),
  interface: z.string().nullable(),
  self: z
    .object({
      name: nameSchema,
      ip4: ip4Schema,
      ip6: ip6Schema,
      publicKey: key32Schema,
      cidr: nameSchema,
      admin: z.boolean(),
      listenPort: z.number().int(),
      endpoints: z.array(endpointSchema),
      nat: z.object({ udp: z.boolean().nullable(), mapping: mappingSchema }),
    })
    .nullable(),
  coordinator: z
    .object({
      url: z.string(),
      connected: z.boolean(),
      lastContactAt: instantSchema.nullable(),
      error: z.string().nullable(),
    })
    .nullable(),
  relays: z.array(relayStatusSchema),
  exit: exitUseSchema.extend({ offering: z.boolean() }),
  /** How packets are moved and sealed on this machine. */
  dataPlane: z
    .object({
      aeadProvider: z.enum(["openssl", "sodium", "noble"]),
      aeadWhy: z.string(),
      offloads: z.record(z.string(), z.boolean()),
      /** Whether this machine can reach others in the family, outside the mesh. */
      ipv4: z.boolean(),
      ipv6: z.boolean(),
      drops: z.record(z.string(), z.number()),
    })
    .nullable(),
  /** What the user should know and nothing failed over, one line each. */
  warnings: z.array(z.string()),
  peers: z.array(statusPeerSchema),
});
export type Status = z.infer<typeof statusSchema>;

export const pingRequestSchema = z.strictObject({
  peer: z.string().max(64),
  /** 0: until the caller hangs up. */
  count: z.number().int().min(0).max(1_000_000).default(4),
  intervalMs: z.number().int().min(10).max(3_600_000).default(1000),
  timeoutMs: z.number().int().min(10).max(60_000).default(5000),
});
export type PingRequest = z.input<typeof pingRequestSchema>;

export const pingReplySchema = z.union([
  z.object({
    seq: z.number().int(),
    peer: nameSchema,
    rttMs: z.number(),
    transport: transportNameSchema,
    endpoint: z.string(),
  }),
  z.object({ seq: z.number().int(), peer: nameSchema, error: z.string() }),
]);
export type PingReply = z.infer<typeof pingReplySchema>;

/** `preference` replaces what was asked before; null: what the configuration file says is valid again. */
export const preferenceRequestSchema = z.strictObject({
  peer: z.string().max(64),
  preference: peerPreferenceSchema.nullable(),
});
export type PreferenceRequest = z.infer<typeof preferenceRequestSchema>;

export const preferenceReplySchema = z.object({ peer: nameSchema, preference: activePreferenceSchema.nullable() });
export type PreferenceReply = z.infer<typeof preferenceReplySchema>;

export const preferencesSchema = z.object({
  /** What this machine may use at all, best first. */
  transports: z.array(transportNameSchema),
  peers: z.array(preferenceReplySchema),
});
export type Preferences = z.infer<typeof preferencesSchema>;

export const netcheckReplySchema = z.object({
  /** Whether UDP comes back; null where nobody could be asked. */
  udp: z.boolean().nullable(),
  /** Whether this machine can reach others in the family, outside the mesh. */
  ipv4: z.boolean(),
  ipv6: z.boolean(),
  mapping: mappingSchema,
  /** How the world sees our WireGuard socket. */
  publicEndpoint: endpointSchema.nullable(),
  /** Protocols by which a gateway has opened a port for us. */
  portMapping: z.array(z.enum(["pcp", "nat-pmp", "upnp"])),
  relays: z.array(relayStatusSchema),
  /** Something that is no coordinator answers at the coordinator's address, and the coordinator does not. */
  captivePortal: z.boolean(),
  coordinator: z.object({
    url: z.string(),
    reached: z.boolean(),
    /** Of one request on a new connection, handshakes included. */
    rttMs: z.number().nullable(),
    error: z.string().nullable(),
  }),
});
export type NetcheckReply = z.infer<typeof netcheckReplySchema>;

/** For a peer whose machine was replaced: what was pinned of the former one is dropped for what came now. */
export const peerAcceptSchema = z.strictObject({ name: nameSchema });
export const acceptedPeerSchema = z.object({
  name: nameSchema,
  ip4: ip4Schema,
  ip6: ip6Schema,
  publicKey: key32Schema,
});
export type AcceptedPeer = z.infer<typeof acceptedPeerSchema>;

/** `ends` tells whether the daemon goes, too: a service stays, `stopped`. */
export const downReplySchema = z.object({ state: daemonStateSchema, ends: z.boolean() });
export type DownReply = z.infer<typeof downReplySchema>;

/** `deregistered` is false where the coordinator could not be told. */
export const leaveReplySchema = z.object({ deregistered: z.boolean() });
export type LeaveReply = z.infer<typeof leaveReplySchema>;

/** WireGuard keys, before and after `POST /v1/keys/rotate`. */
export const keysRotatedSchema = z.object({ publicKey: key32Schema, previousPublicKey: key32Schema });
export type KeysRotated = z.infer<typeof keysRotatedSchema>;
