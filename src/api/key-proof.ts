import { z } from "zod";
import { verifyMachineSignature } from "./machine-signature.ts";
import { signatureSchema } from "./primitives.ts";
import { transcript } from "./transcript.ts";

/**
 * A machine's own word that a WireGuard key is its own: others who know the machine key by earlier maps need not believe the
 * coordinator when the WireGuard key changes. The instant orders such words, so that an old one cannot bring an old key back.
 */
export const keyProofSchema = z.object({
  /** When the key was made, by the machine's clock; grows with every key. */
  issuedAtMs: z.number().int().min(0),
  /** Ed25519 over `keyTranscript`, by the machine key. */
  signature: signatureSchema,
});
export type KeyProof = z.infer<typeof keyProofSchema>;

interface ProvedKey {
  readonly machineKey: string;
  readonly wireguardKey: string;
}

export function keyTranscript(
  networkId: string,
  { machineKey, wireguardKey }: ProvedKey,
  issuedAtMs: number,
): Uint8Array {
  return transcript("mesh wireguard key v1", [networkId, machineKey, wireguardKey, String(issuedAtMs)]);
}

export function verifyKeyProof(networkId: string, key: ProvedKey, { issuedAtMs, signature }: KeyProof): boolean {
  return verifyMachineSignature(key.machineKey, keyTranscript(networkId, key, issuedAtMs), signature);
}
