import { z } from "zod";
import { MAX_ADVERTISED_ROUTES } from "./bounds.ts";
import { errorBodySchema } from "./error-body.ts";
import { publicUrlSchema } from "./listening-config.ts";
import { mapDeltaSchema, networkMapSchema } from "./network-map.ts";
import {
  cidrSchema,
  endpointSchema,
  ipFamilySchema,
  ipSchema,
  key32Schema,
  pemSchema,
  portSchema,
  signatureSchema,
} from "./primitives.ts";
import { protocolRangeSchema } from "./protocol-version.ts";
import { relayIdSchema, relayTlsKeySchema } from "./relay.ts";
import { policyDeltaSchema, relayPolicySchema } from "./relay-policy.ts";

/**
 * The control WebSocket: JSON text messages, one object each.
 *
 *     coordinator                                   peer
 *       hello {nonce, networkId, protocol}  →
 *                                           ←  authenticate {machineKey, proof, …}
 *       welcome {protocolVersion, …}        →
 *       map | delta                         →      (a delta when the peer's `mapVersion` allows it)
 *                                           ←  endpoints {…}            (whenever they change)
 *                                           ←  offers {exit, routes}    (likewise)
 *       delta …                             →
 *                                           ←  call {peers}
 *       call {peer, endpoints}              →      (to each of them)
 *       rejected {error}                    →      and the socket closes, at any time
 *
 * A stand-alone relay opens the same channel with its own machine key:
 *
 *     coordinator                                   relay
 *       hello, welcome                      ↔      authenticate    (as above; `mapVersion` is that of its policy)
 *       policy | policy-delta               →      who may exchange with whom; a delta again at every change
 *                                           ←  relay {urls, …}     where peers find it, and the key of its TLS server
 *       certificate {certificatePem}        →      for that key, by the coordinator's CA
 *
 * Liveness is by WebSocket pings from both ends. A message of an unknown type is ignored: later versions add types.
 */
export const CONTROL_PATH = "/v1/control";
export const CONTROL_MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/** Of one peer's UDP socket. */
export const MAX_ANNOUNCED_ENDPOINTS = 32;

/** Peers in one `call`. */
export const MAX_CALLED_PEERS = 64;

/** What else answers at the coordinator's host. */
export const coordinatorServicesSchema = z.object({
  /** The relay WebSocket, on the ports of the control channel. */
  relay: z.boolean(),
  /** UDP ports that answer STUN. */
  stunPorts: z.array(portSchema).max(8),
});
export type CoordinatorServices = z.infer<typeof coordinatorServicesSchema>;
/** What a coordinator offers that does not say. */
export const NO_SERVICES: CoordinatorServices = { relay: false, stunPorts: [] };

export const coordinatorMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("hello"), nonce: key32Schema, networkId: z.uuid(), protocol: protocolRangeSchema }),
  z.object({
    type: z.literal("welcome"),
    protocolVersion: z.number().int().min(1),
    /** The peer's public address as seen by the coordinator. */
    observedAddress: ipSchema,
    coordinatorVersion: z.string().max(64),
    services: coordinatorServicesSchema.default(NO_SERVICES),
  }),
  z.object({ type: z.literal("map"), map: networkMapSchema }),
  z.object({ type: z.literal("delta"), delta: mapDeltaSchema }),
  z.object({ type: z.literal("policy"), policy: relayPolicySchema }),
  z.object({ type: z.literal("policy-delta"), delta: policyDeltaSchema }),
  z.object({ type: z.literal("certificate"), certificatePem: pemSchema }),
  /** This peer sends to us now, by UDP, and we are to do so as well: NATs let in who was spoken to. */
  z.object({ type: z.literal("call"), peer: key32Schema, endpoints: z.array(endpointSchema).max(64) }),
  z.object({ type: z.literal("rejected"), error: errorBodySchema.shape.error }),
]);
export type CoordinatorMessage = z.infer<typeof coordinatorMessageSchema>;

const authenticateMessageSchema = z.strictObject({
  type: z.literal("authenticate"),
  protocol: protocolRangeSchema,
  machineKey: key32Schema,
  /** Ed25519 over `controlTranscript`. */
  proof: signatureSchema,
  /** The version of the map (a relay: of the policy) that this machine holds, or null. */
  mapVersion: z.number().int().min(0).nullable(),
  softwareVersion: z.string().max(64),
});
export type AuthenticateMessage = z.infer<typeof authenticateMessageSchema>;

/** Where a peer can be reached. */
const endpointsMessageSchema = z.strictObject({
  type: z.literal("endpoints"),
  listenPort: z.number().int().min(1).max(65535),
  /** Addresses of the peer's own interfaces, best first. The coordinator adds the one it sees. */
  endpoints: z.array(endpointSchema).max(MAX_ANNOUNCED_ENDPOINTS),
  /** TCP ports of the peer's SSH server, at the same addresses. */
  sshPorts: z.array(portSchema).max(8).default([]),
  /** Whether peers are to try UDP at all; if not, the addresses are those of the SSH server alone. */
  udp: z.boolean().default(true),
  /** Relays (ids) at which it was to be found and which it cannot reach. */
  unreachedRelays: z.array(relayIdSchema).max(16).default([]),
});
export type EndpointsMessage = z.infer<typeof endpointsMessageSchema>;

/** Where a peer would carry others' traffic to; what comes of it is the admins' to say (`admin-offers.ts`). */
const offersMessageSchema = z.strictObject({
  type: z.literal("offers"),
  /** Families in which it leads to the internet. */
  exit: z.array(ipFamilySchema).max(2),
  /** Networks behind it, without host bits. */
  routes: z.array(cidrSchema).max(MAX_ADVERTISED_ROUTES),
});
export type OffersMessage = z.infer<typeof offersMessageSchema>;

/** Passed on to these peers (WireGuard keys) with the endpoints that we have told last. */
const callMessageSchema = z.strictObject({
  type: z.literal("call"),
  peers: z.array(key32Schema).min(1).max(MAX_CALLED_PEERS),
});

/** Where a stand-alone relay can be reached, and how it shows that it is the one. */
const relayAnnouncementSchema = z.strictObject({
  type: z.literal("relay"),
  urls: z.array(publicUrlSchema).min(1).max(8),
  /** UDP ports at the same hosts that answer STUN. */
  stunPorts: z.array(portSchema).max(8),
  tlsKey: relayTlsKeySchema,
});

export type RelayAnnouncement = z.infer<typeof relayAnnouncementSchema>;

/** What machines send, peers and relays. */
export const machineMessageSchema = z.discriminatedUnion("type", [
  authenticateMessageSchema,
  endpointsMessageSchema,
  offersMessageSchema,
  relayAnnouncementSchema,
  callMessageSchema,
]);
export type MachineMessage = z.infer<typeof machineMessageSchema>;
