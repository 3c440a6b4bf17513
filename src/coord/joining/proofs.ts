import { createHmac, diffieHellman, generateKeyPairSync, type KeyObject, timingSafeEqual } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { importPublicKey, verifyMachineSignature } from "../../api/machine-signature.ts";
import { MeshError } from "../../base/errors.ts";

/**
 * Proofs that somebody holds the private half of a key: an Ed25519 signature (RFC 8032), and for X25519 (RFC 7748),
 * which cannot sign, an HMAC-SHA-256 keyed with the shared secret of that key and an ephemeral one of ours.
 * Keys travel as base64 of 32 bytes.
 */

const X25519_PRIME = 2n ** 255n - 19n;

export interface EphemeralKey {
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function generateEphemeralKey(): EphemeralKey {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  const { x } = publicKey.export({ format: "jwk" });
  if (x === undefined) throw new MeshError("internal", "an X25519 key without a value");
  return { publicKey: Buffer.from(x, "base64url").toString("base64"), privateKey };
}

/** @throws MeshError `bad-key` (not a point of the curve, or one of small order), `proof-invalid` */
export function checkMachineProof(machineKey: string, transcript: Uint8Array, proof: string): void {
  // A point of small order verifies signatures that nobody's private key made.
  if (!isSoundEd25519Key(machineKey)) throw new MeshError("bad-key", "the machine key is not a sound Ed25519 key");
  if (!verifyMachineSignature(machineKey, transcript, proof)) {
    throw new MeshError("proof-invalid", "the machine key's signature does not fit this request");
  }
}

/** @throws MeshError `bad-key` (not canonical, or of small order), `proof-invalid` */
export function checkWireguardProof(
  wireguardKey: string,
  ephemeral: KeyObject,
  transcript: Uint8Array,
  proof: string,
): void {
  if (!isCanonicalX25519Key(wireguardKey)) throw new MeshError("bad-key", "the WireGuard key is not in canonical form");
  let secret: Buffer;
  try {
    secret = diffieHellman({ privateKey: ephemeral, publicKey: importPublicKey("X25519", wireguardKey) });
  } catch (cause) {
    throw new MeshError("bad-key", "the WireGuard key is of small order", { cause });
  }
  const expected = createHmac("sha256", secret).update(transcript).digest();
  secret.fill(0);
  const given = Buffer.from(proof, "base64");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new MeshError("proof-invalid", "the WireGuard key's proof does not fit this request");
  }
}

function isSoundEd25519Key(key: string): boolean {
  try {
    return !ed25519.Point.fromBytes(Uint8Array.from(Buffer.from(key, "base64"))).isSmallOrder();
  } catch {
    return false;
  }
}

/** One point has one accepted spelling, or two peers could hold "different" keys that are the same. */
function isCanonicalX25519Key(key: string): boolean {
  const bytes = Buffer.from(key, "base64").reverse();
  return BigInt(`0x${bytes.toString("hex")}`) < X25519_PRIME;
}
