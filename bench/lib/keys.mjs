import { generateKeyPairSync } from "node:crypto";

/** A WireGuard key pair, base64. */
export function makeKeyPair() {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const raw = (key, format) => key.export({ format: "der", type: format }).subarray(-32).toString("base64");
  return { privateKey: raw(privateKey, "pkcs8"), publicKey: raw(publicKey, "spki") };
}
