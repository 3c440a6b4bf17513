import { z } from "zod";
import { networkInfoSchema } from "./network-map.ts";
import { key32Schema, nameSchema, pemSchema, signatureSchema } from "./primitives.ts";
import { protocolRangeSchema } from "./protocol-version.ts";
import { relayIdSchema, relayTlsKeySchema } from "./relay.ts";
import { transcript } from "./transcript.ts";

/** `POST /v1/relay`: a machine becomes a stand-alone relay, by a challenge as in `registration.ts`. */
export const registerRelayRequestSchema = z.strictObject({
  protocol: protocolRangeSchema,
  challengeId: z.uuid(),
  /** One that carries the right to be a relay, or an admin's; left out when a known relay comes back. */
  token: z.string().max(2048).optional(),
  name: nameSchema,
  machineKey: key32Schema,
  tlsKey: relayTlsKeySchema,
  /** Ed25519 over `relayRegistrationTranscript`, by the machine key. */
  machineProof: signatureSchema,
});
export type RegisterRelayRequest = z.infer<typeof registerRelayRequestSchema>;

export const registerRelayResponseSchema = z.object({
  protocolVersion: z.number().int().min(1),
  network: networkInfoSchema,
  relayId: relayIdSchema,
  /** For the TLS key, by the coordinator's CA; null where none was named. */
  certificatePem: pemSchema.nullable(),
  /** True when this machine was a relay already and nothing was spent. */
  resumed: z.boolean(),
});
export type RegisterRelayResponse = z.infer<typeof registerRelayResponseSchema>;

/** The bytes that the proof covers. */
export function relayRegistrationTranscript(fields: {
  readonly networkId: string;
  readonly challengeId: string;
  readonly nonce: string;
  readonly name: string;
  readonly machineKey: string;
  readonly token: string | undefined;
  readonly tlsKey: string | null;
}): Uint8Array {
  const { networkId, challengeId, nonce, name, machineKey, token, tlsKey } = fields;
  const parts = [networkId, challengeId, nonce, name, machineKey, token ?? "", tlsKey ?? ""];
  return transcript("mesh relay registration v1", parts);
}
