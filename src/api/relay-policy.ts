import { z } from "zod";
import { key32Schema, nameSchema } from "./primitives.ts";

/** What a stand-alone relay has to know of the network: who its clients may be, and between whom it may forward. */

const policyPeerSchema = z.object({
  name: nameSchema,
  /** Ed25519: by which it proves itself to the relay. */
  machineKey: key32Schema,
  /** X25519: by which the others address it. */
  wireguardKey: key32Schema,
  group: z.number().int(),
});

export const relayPolicySchema = z.object({
  version: z.number().int().min(0),
  /** Peers of a group may exchange with those of the groups that it sees, its own only if it sees itself. Symmetric. */
  groups: z.array(z.object({ id: z.number().int(), sees: z.array(z.number().int()).max(65536) })).max(65536),
  /** Those that are enabled. */
  peers: z.array(policyPeerSchema).max(65536),
});
export type RelayPolicyDocument = z.infer<typeof relayPolicySchema>;

/** What changed between two versions. Other groups are another policy as a whole. */
export const policyDeltaSchema = z.object({
  fromVersion: z.number().int().min(0),
  toVersion: z.number().int().min(0),
  /** Machine keys. */
  removed: z.array(key32Schema).max(65536),
  upserted: z.array(policyPeerSchema).max(65536),
});
export type PolicyDelta = z.infer<typeof policyDeltaSchema>;

/** Applies a delta that follows directly on `policy`; undefined when it does not (the caller asks for all of it). */
export function applyPolicyDelta(policy: RelayPolicyDocument, delta: PolicyDelta): RelayPolicyDocument | undefined {
  if (delta.fromVersion !== policy.version) return undefined;
  const peers = new Map(policy.peers.map((peer) => [peer.machineKey, peer]));
  for (const key of delta.removed) peers.delete(key);
  for (const peer of delta.upserted) peers.set(peer.machineKey, peer);
  return { version: delta.toVersion, groups: policy.groups, peers: [...peers.values()] };
}
