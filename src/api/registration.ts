import { z } from "zod";
import { keyProofSchema } from "./key-proof.ts";
import { networkInfoSchema, selfInfoSchema } from "./network-map.ts";
import { ipSchema, key32Schema, nameSchema, sha256HexSchema, signatureSchema } from "./primitives.ts";
import { protocolRangeSchema } from "./protocol-version.ts";
import { transcript } from "./transcript.ts";

/**
 * HTTPS calls by which a machine becomes a peer:
 *
 *     GET  /v1/info       → who the coordinator is
 *     GET  /v1/ca         → its CA certificate, PEM (checked by the caller against the fingerprint in the token)
 *     POST /v1/challenge  → a nonce and an ephemeral X25519 key, good for one minute and one use
 *     POST /v1/register   → token + name + both public keys, each with a proof that its private half is there
 *     DELETE /v1/peer     → {}: the machine leaves; proved by its machine key over a challenge (`leaveTranscript`)
 *
 * Both proofs cover one transcript (`registrationTranscript`), so neither can be moved to another request.
 */
export const infoResponseSchema = z.object({
  service: z.literal("mesh-coordinator"),
  version: z.string().max(64),
  network: networkInfoSchema,
  protocol: protocolRangeSchema,
  /** SHA-256 of the CA certificate's DER; null where a public or foreign certificate is in use. */
  caFingerprint: sha256HexSchema.nullable(),
  time: z.iso.datetime(),
});
export type InfoResponse = z.infer<typeof infoResponseSchema>;

export const challengeResponseSchema = z.object({
  challengeId: z.uuid(),
  nonce: key32Schema,
  /** The coordinator's X25519 key for this challenge only. */
  ephemeralKey: key32Schema,
  expiresAt: z.iso.datetime(),
});
export type ChallengeResponse = z.infer<typeof challengeResponseSchema>;

export const registerRequestSchema = z.strictObject({
  protocol: protocolRangeSchema,
  challengeId: z.uuid(),
  /** Left out when a known machine comes back. */
  token: z.string().max(2048).optional(),
  name: nameSchema,
  machineKey: key32Schema,
  wireguardKey: key32Schema,
  /** Ed25519 over the transcript, by the machine key. */
  machineProof: signatureSchema,
  /** For the other peers, who cannot check the other two; left out by earlier versions. */
  keyProof: keyProofSchema.optional(),
  /** HMAC-SHA-256 of the transcript, keyed with X25519(wireguard private key, `ephemeralKey`). */
  wireguardProof: key32Schema,
});
export type RegisterRequest = z.infer<typeof registerRequestSchema>;

export const registerResponseSchema = z.object({
  protocolVersion: z.number().int().min(1),
  network: networkInfoSchema,
  self: selfInfoSchema,
  /** The address that the request came from, as the coordinator saw it. */
  observedAddress: ipSchema,
  /** True when this machine was a peer already and nothing was spent. */
  resumed: z.boolean(),
});
export type RegisterResponse = z.infer<typeof registerResponseSchema>;

/** The bytes that both proofs cover. Every field is fixed in length or preceded by its length. */
export function registrationTranscript(fields: {
  readonly networkId: string;
  readonly challengeId: string;
  readonly nonce: string;
  readonly ephemeralKey: string;
  readonly name: string;
  readonly machineKey: string;
  readonly wireguardKey: string;
  readonly token: string | undefined;
}): Uint8Array {
  const { networkId, challengeId, nonce, ephemeralKey, name, machineKey, wireguardKey, token } = fields;
  const parts = [networkId, challengeId, nonce, ephemeralKey, name, machineKey, wireguardKey, token ?? ""];
  return transcript("mesh registration v1", parts);
}

/** Body of `DELETE /v1/peer`; the answer is `{}`. */
export const leaveRequestSchema = z.strictObject({
  challengeId: z.uuid(),
  machineKey: key32Schema,
  /** Ed25519 over `leaveTranscript`. */
  machineProof: signatureSchema,
});
export type LeaveRequest = z.infer<typeof leaveRequestSchema>;

/** The bytes that a peer signs to leave the network. */
export function leaveTranscript(fields: {
  readonly networkId: string;
  readonly challengeId: string;
  readonly nonce: string;
  readonly machineKey: string;
}): Uint8Array {
  return transcript("mesh leave v1", [fields.networkId, fields.challengeId, fields.nonce, fields.machineKey]);
}

/** The bytes that a peer signs to open its control channel. */
export function controlTranscript(networkId: string, nonce: string, machineKey: string): Uint8Array {
  return transcript("mesh control v1", [networkId, nonce, machineKey]);
}
