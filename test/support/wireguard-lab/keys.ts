import { randomBytes } from "node:crypto";
import { nodeCrypto } from "../../../src/wireguard/crypto/node.ts";

/** Base64, as `wg` writes them. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

export function makeKeyPair(): KeyPair {
  const privateKey = randomBytes(32);
  return {
    privateKey: privateKey.toString("base64"),
    publicKey: Buffer.from(nodeCrypto.x25519Key(privateKey).publicKey).toString("base64"),
  };
}

export function makePresharedKey(): string {
  return randomBytes(32).toString("base64");
}
