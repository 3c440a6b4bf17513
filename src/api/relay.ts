import { z } from "zod";
import { errorBodySchema } from "./error-body.ts";
import { ipSchema, key32Schema, signatureSchema } from "./primitives.ts";
import { protocolRangeSchema } from "./protocol-version.ts";
import { transcript } from "./transcript.ts";

/**
 * The relay WebSocket: JSON text messages until both know who they are, then binary frames (`relay-frame.ts`).
 *
 *     relay                                         client
 *       hello {nonce, networkId, relayId, protocol} →
 *                                           ←  authenticate {machineKey, proof, …}
 *       welcome {protocolVersion, …}        →
 *       frames                              ↔      frames
 *       rejected {error}                    →      and the socket closes, at any time
 *
 * Liveness is by WebSocket pings from both ends. A text message of an unknown type is ignored: later versions add types.
 */
export const RELAY_PATH = "/v1/relay";

/** The versions of the relay protocol that this build speaks, both ends included. */
export const RELAY_PROTOCOL_VERSIONS = { min: 1, max: 1 } as const;

export const relayIdSchema = z.string().min(1).max(64);

/** The key of a relay's TLS server (SubjectPublicKeyInfo, DER, base64), to be certified; null: its certificate is public. */
export const relayTlsKeySchema = z.base64().max(1024).nullable();

/** `relayId` of the relay inside the coordinator. */
export const COORDINATOR_RELAY_ID = "coordinator";

/** A peer connects to so many at most to be found there. */
export const MAX_HOME_RELAYS = 2;

/** The name in the certificate that the coordinator's CA issues to a stand-alone relay, whatever host name leads to it. */
export function relayServerName(relayId: string): string {
  return `mesh-relay-${relayId}`;
}

export const relayMessageSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("hello"),
    nonce: key32Schema,
    networkId: z.uuid(),
    /** Which of the network's relays this is. Part of the proof, so that one relay cannot pass it on to another. */
    relayId: relayIdSchema,
    protocol: protocolRangeSchema,
  }),
  z.object({
    type: z.literal("welcome"),
    protocolVersion: z.number().int().min(1),
    /** The client's public address as seen by the relay. */
    observedAddress: ipSchema,
    softwareVersion: z.string().max(64),
  }),
  z.object({ type: z.literal("rejected"), error: errorBodySchema.shape.error }),
]);
export type RelayMessage = z.infer<typeof relayMessageSchema>;

export const relayClientMessageSchema = z.strictObject({
  type: z.literal("authenticate"),
  protocol: protocolRangeSchema,
  machineKey: key32Schema,
  /** Ed25519 over `relayTranscript`. */
  proof: signatureSchema,
  softwareVersion: z.string().max(64),
});
export type RelayClientMessage = z.infer<typeof relayClientMessageSchema>;

/** The bytes that a peer signs to use a relay. */
export function relayTranscript(fields: {
  readonly networkId: string;
  readonly relayId: string;
  readonly nonce: string;
  readonly machineKey: string;
}): Uint8Array {
  return transcript("mesh relay v1", [fields.networkId, fields.relayId, fields.nonce, fields.machineKey]);
}
