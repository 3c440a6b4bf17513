import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { MeshError } from "../base/errors.ts";

// Fixed DER wrappings of a raw 32-byte key (RFC 8410 §4, §7): node:crypto takes no raw keys.
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const X25519_PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");
const X25519_SPKI = Buffer.from("302a300506032b656e032100", "hex");
const RAW_KEY_BYTES = 32;

/** The two private keys of a machine. They are made here and never leave it. */
export class PeerKeys {
  /** Ed25519, base64. */
  readonly machineKey: string;
  /** X25519, base64. */
  readonly wireguardKey: string;
  readonly #machine: KeyObject;
  readonly #wireguard: KeyObject;
  readonly #machineSeed: Uint8Array;
  readonly #wireguardPrivate: Uint8Array;

  /**
   * @param machineSeed Ed25519 seed (RFC 8032 §5.1.5), 32 bytes.
   * @param wireguardPrivate X25519 private key, 32 bytes.
   * @throws MeshError `bad-key`
   */
  constructor(machineSeed: Uint8Array, wireguardPrivate: Uint8Array) {
    if (machineSeed.length !== RAW_KEY_BYTES || wireguardPrivate.length !== RAW_KEY_BYTES) {
      throw new MeshError("bad-key", "a private key must be 32 bytes");
    }
    this.#machineSeed = Uint8Array.from(machineSeed);
    this.#wireguardPrivate = Uint8Array.from(wireguardPrivate);
    this.#machine = fromPkcs8(ED25519_PKCS8, machineSeed);
    this.#wireguard = fromPkcs8(X25519_PKCS8, wireguardPrivate);
    this.machineKey = publicKeyText(this.#machine);
    this.wireguardKey = publicKeyText(this.#wireguard);
  }

  static generate(): PeerKeys {
    return new PeerKeys(
      rawPrivate(generateKeyPairSync("ed25519").privateKey),
      rawPrivate(generateKeyPairSync("x25519").privateKey),
    );
  }

  /** Copies for the key file and the tunnel; 32 bytes each. */
  exportMachineSeed(): Uint8Array {
    return Uint8Array.from(this.#machineSeed);
  }

  exportWireguardPrivate(): Uint8Array {
    return Uint8Array.from(this.#wireguardPrivate);
  }

  /** An Ed25519 signature by the machine key, base64. */
  sign(message: Uint8Array): string {
    return sign(null, message, this.#machine).toString("base64");
  }

  /** X25519 of the WireGuard key and `publicKey` (base64); 32 bytes. */
  agree(publicKey: string): Buffer {
    const spki = Buffer.concat([X25519_SPKI, Buffer.from(publicKey, "base64")]);
    const peer = createPublicKey({ key: spki, format: "der", type: "spki" });
    return diffieHellman({ privateKey: this.#wireguard, publicKey: peer });
  }
}

function fromPkcs8(prefix: Uint8Array, raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([prefix, raw]), format: "der", type: "pkcs8" });
}

function rawPrivate(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "pkcs8" }).subarray(-RAW_KEY_BYTES);
}

function publicKeyText(privateKey: KeyObject): string {
  return createPublicKey(privateKey)
    .export({ format: "der", type: "spki" })
    .subarray(-RAW_KEY_BYTES)
    .toString("base64");
}
