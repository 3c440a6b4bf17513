import { z } from "zod";
import { dnsRecordSchema, dnsServerSchema, dnsSplitSchema, MAX_DNS_SERVERS, MAX_DNS_SPLITS } from "./dns-record.ts";
import { filterIdSchema, filterRuleSchema } from "./filter-rule.ts";
import { keyProofSchema } from "./key-proof.ts";
import { publicUrlSchema } from "./listening-config.ts";
import {
  cidrSchema,
  endpointSchema,
  hostPortSchema,
  instantSchema,
  ip4Schema,
  ip6Schema,
  ipFamilySchema,
  key32Schema,
  nameSchema,
  pemSchema,
  portSchema,
} from "./primitives.ts";
import { relayIdSchema } from "./relay.ts";

/** The network as one peer may see it. The coordinator computes it; peers check it against their pins and apply it. */

export const networkInfoSchema = z.object({
  /** The coordinator's identity: stays when its URL moves. */
  id: z.uuid(),
  name: nameSchema,
  /** DNS suffix without dots at either end. */
  domain: z.string().min(1).max(253),
  cidr4: cidrSchema,
  cidr6: cidrSchema,
});
export type NetworkInfo = z.infer<typeof networkInfoSchema>;

/** A stand-alone relay. */
export const relayInfoSchema = z.object({
  id: relayIdSchema,
  name: nameSchema,
  /** Tried in order. */
  urls: z.array(publicUrlSchema).min(1).max(8),
  /** The CA whose certificate for `relayServerName(id)` it shows; null: one that the system trusts, for the URL's host. */
  caPem: pemSchema.nullable(),
  /** UDP ports at the same hosts that answer STUN. */
  stunPorts: z.array(portSchema).max(8),
});
export type RelayInfo = z.infer<typeof relayInfoSchema>;

/** Relays at which a peer can be found, best first: stand-alone ones, or that of the coordinator. */
const homeRelaysSchema = z.array(relayIdSchema).max(8).default([]);

/** A range of the network that has a name. */
export const mapCidrSchema = z.object({ name: nameSchema, cidr4: cidrSchema, cidr6: cidrSchema });
export type MapCidr = z.infer<typeof mapCidrSchema>;

/** Who of the map's owner (`self`) and a peer in it may start connections to the other. */
export const mayStartSchema = z.enum(["both", "self", "peer"]);
export type MayStart = z.infer<typeof mayStartSchema>;

export const selfInfoSchema = z.object({
  name: nameSchema,
  ip4: ip4Schema,
  ip6: ip6Schema,
  cidr: nameSchema,
  admin: z.boolean(),
  tags: z.array(nameSchema),
  wireguardKey: key32Schema,
  relays: homeRelaysSchema,
  /** An admin forbids that this machine be an exit. */
  exitForbidden: z.boolean().default(false),
  /** Of the networks that this machine says are behind it: those that admins have approved. */
  approvedRoutes: z.array(cidrSchema).max(1024).default([]),
});
export type SelfInfo = z.infer<typeof selfInfoSchema>;

export const mapPeerSchema = z.object({
  name: nameSchema,
  ip4: ip4Schema,
  ip6: ip6Schema,
  cidr: nameSchema,
  tags: z.array(nameSchema),
  /** Has the admin right: is told more of what this machine would do with its packets, and no more than that. */
  admin: z.boolean().default(false),
  /** Other than `both` where one-way associations alone join the two. Replies pass either way. */
  mayStart: mayStartSchema.default("both"),
  /** X25519. */
  wireguardKey: key32Schema,
  /** Ed25519: SSH host and client key, and who the peer is to the coordinator. */
  machineKey: key32Schema,
  /** The machine's word for the WireGuard key; null of peers that registered with an earlier version. */
  keyProof: keyProofSchema.nullable().default(null),
  /** It goes once it is away, and its address then passes to others: a pin of it lapses, see `EPHEMERAL_PIN_MS`. */
  ephemeral: z.boolean().default(false),
  /** What this peer may send from and is sent to: its own addresses. */
  allowedIps: z.array(cidrSchema).max(1024),
  /** Where its WireGuard socket may be reached, best first. */
  endpoints: z.array(endpointSchema).max(64),
  /** `HOST:PORT` by the word of an admin, to be tried before the endpoints; whoever dials resolves the name. */
  overrideEndpoint: hostPortSchema.nullable().default(null),
  /** Where its SSH server may be reached, best first. */
  sshEndpoints: z.array(endpointSchema).max(64).default([]),
  relays: homeRelaysSchema,
  /** Families in which the map's owner may send to the internet through it: it offers that, and no admin forbids it. */
  exit: z.array(ipFamilySchema).max(2).default([]),
  /** Networks behind it, which admins have approved, for the map's owner to take or leave. */
  routes: z.array(cidrSchema).max(1024).default([]),
  online: z.boolean(),
  lastSeenAt: instantSchema.nullable(),
});
export type MapPeer = z.infer<typeof mapPeerSchema>;

/** A rule of the network's packet filter, as it is for the map's owner: direction and names are its own view. */
export const mapFilterRuleSchema = z.object({
  /** Several have the same id where one rule of the network says several things to this peer. */
  id: filterIdSchema,
  rule: filterRuleSchema,
  expiresAt: instantSchema.nullable(),
});
export type MapFilterRule = z.infer<typeof mapFilterRuleSchema>;

const mapFilterRulesSchema = z.array(mapFilterRuleSchema).max(65536);

/** What the network says of DNS beside the names of peers, as far as the map's owner may know. */
export const mapDnsSchema = z.object({
  /** Names without the network's domain; where they point to is written with it. */
  records: z.array(dnsRecordSchema).max(65536).default([]),
  /** For every name that nobody else is responsible for; none: each machine's own are asked. */
  servers: z.array(dnsServerSchema).max(MAX_DNS_SERVERS).default([]),
  splits: z.array(dnsSplitSchema).max(MAX_DNS_SPLITS).default([]),
});
export type MapDns = z.infer<typeof mapDnsSchema>;

const NO_DNS: MapDns = { records: [], servers: [], splits: [] };

export const networkMapSchema = z.object({
  /** Grows by at least one with every change that this peer may see. */
  version: z.number().int().min(0),
  network: networkInfoSchema,
  self: selfInfoSchema,
  /** Every stand-alone relay of the network. */
  relays: z.array(relayInfoSchema).max(256).default([]),
  /** Those that this peer may know of, in the order of their addresses. */
  cidrs: z.array(mapCidrSchema).max(65536).default([]),
  /** Those that decide on connections which this peer may have, in no order. */
  filterRules: mapFilterRulesSchema.default([]),
  dns: mapDnsSchema.default(NO_DNS),
  peers: z.array(mapPeerSchema).max(65536),
});
export type NetworkMap = z.infer<typeof networkMapSchema>;

/** What changed between two versions of one peer's map. Removals come before additions. */
export const mapDeltaSchema = z.object({
  fromVersion: z.number().int().min(0),
  toVersion: z.number().int().min(1),
  network: networkInfoSchema.optional(),
  self: selfInfoSchema.optional(),
  /** All of them, when one has changed. */
  relays: z.array(relayInfoSchema).max(256).optional(),
  /** All of them, when one has changed. */
  cidrs: z.array(mapCidrSchema).max(65536).optional(),
  /** All of them, when one has changed. */
  filterRules: mapFilterRulesSchema.optional(),
  /** All of it, when something has changed. */
  dns: mapDnsSchema.optional(),
  /** Public WireGuard keys. */
  removed: z.array(key32Schema).max(65536),
  /** Whole entries, new or changed. */
  upserted: z.array(mapPeerSchema).max(65536),
});
export type MapDelta = z.infer<typeof mapDeltaSchema>;

/** Applies a delta that follows directly on `map`; undefined when it does not (the caller asks for a full map). */
export function applyDelta(map: NetworkMap, delta: MapDelta): NetworkMap | undefined {
  if (delta.fromVersion !== map.version) return undefined;
  const peers = new Map(map.peers.map((peer) => [peer.wireguardKey, peer]));
  for (const key of delta.removed) peers.delete(key);
  for (const peer of delta.upserted) peers.set(peer.wireguardKey, peer);
  return {
    version: delta.toVersion,
    network: delta.network ?? map.network,
    self: delta.self ?? map.self,
    relays: delta.relays ?? map.relays,
    cidrs: delta.cidrs ?? map.cidrs,
    filterRules: delta.filterRules ?? map.filterRules,
    dns: delta.dns ?? map.dns,
    peers: [...peers.values()],
  };
}
