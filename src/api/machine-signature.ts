import { createPublicKey, type KeyObject, verify } from "node:crypto";

/** How a machine proves itself: with the private half of its machine key, which stays with whoever implements this. */
export interface MachineKeys {
  /** Ed25519, base64. */
  readonly machineKey: string;
  /** An Ed25519 signature by the machine key, base64. */
  sign(message: Uint8Array): string;
}

/** A raw public key, base64 of 32 bytes, for node:crypto. Throws for what is no point of the curve. */
export function importPublicKey(curve: "Ed25519" | "X25519", key: string): KeyObject {
  const x = Buffer.from(key, "base64").toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: curve, x }, format: "jwk" });
}

/** Whether a machine key (Ed25519, RFC 8032) signed `transcript`. For keys that registration has found sound. */
export function verifyMachineSignature(machineKey: string, transcript: Uint8Array, signature: string): boolean {
  try {
    return verify(null, transcript, importPublicKey("Ed25519", machineKey), Buffer.from(signature, "base64"));
  } catch {
    // OpenSSL refuses to import what is no point: then nothing signed by it can be right.
    return false;
  }
}
