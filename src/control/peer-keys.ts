import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { type KeyProof, keyTranscript } from "../api/key-proof.ts";
import type { MachineKeys } from "../api/machine-signature.ts";
import { MeshError } from "../base/errors.ts";

// Fixed DER wrappings of a raw 32-byte key (RFC 8410 §4, §7): node:crypto takes no raw keys.
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const X25519_PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");
const X25519_SPKI = Buffer.from("302a300506032b656e032100", "hex");
const RAW_KEY_BYTES = 32;

/** The machine key of a relay, which has no other. */
export class MachineKey implements MachineKeys {
  readonly machineKey: string;
  readonly #key: KeyObject;
  readonly #seed: Uint8Array;

  /** @param seed Ed25519 seed (RFC 8032 §5.1.5), 32 bytes. @throws MeshError `bad-key` */
  constructor(seed: Uint8Array) {
    if (seed.length !== RAW_KEY_BYTES) throw new MeshError("bad-key", "a private key must be 32 bytes");
    this.#seed = Uint8Array.from(seed);
    this.#key = fromPkcs8(ED25519_PKCS8, seed);
    this.machineKey = publicKeyText(this.#key);
  }

  static generate(): MachineKey {
    return new MachineKey(rawPrivate(generateKeyPairSync("ed25519").privateKey));
  }

  /** A copy, 32 bytes. */
  exportSeed(): Uint8Array {
    return Uint8Array.from(this.#seed);
  }

  sign(message: Uint8Array): string {
    return sign(null, message, this.#key).toString("base64");
  }
}

/** The two private keys of a machine. They are made here and never leave it. */
export class PeerKeys implements MachineKeys {
  /** Ed25519, base64. */
  readonly machineKey: string;
  /** X25519, base64. */
  readonly wireguardKey: string;
  /** When the WireGuard key was made. */
  readonly issuedAtMs: number;
  readonly #machine: MachineKey;
  readonly #wireguard: KeyObject;
  readonly #wireguardPrivate: Uint8Array;

  /**
   * @param machineSeed Ed25519 seed (RFC 8032 §5.1.5), 32 bytes.
   * @param wireguardPrivate X25519 private key, 32 bytes.
   * @param issuedAtMs when the WireGuard key was made, see `KeyProof`; 0 where that was not noted.
   * @throws MeshError `bad-key`
   */
  constructor(machineSeed: Uint8Array, wireguardPrivate: Uint8Array, issuedAtMs: number) {
    if (wireguardPrivate.length !== RAW_KEY_BYTES) throw new MeshError("bad-key", "a private key must be 32 bytes");
    this.issuedAtMs = issuedAtMs;
    this.#machine = new MachineKey(machineSeed);
    this.#wireguardPrivate = Uint8Array.from(wireguardPrivate);
    this.#wireguard = fromPkcs8(X25519_PKCS8, wireguardPrivate);
    this.machineKey = this.#machine.machineKey;
    this.wireguardKey = publicKeyText(this.#wireguard);
  }

  static generate(): PeerKeys {
    return new PeerKeys(
      rawPrivate(generateKeyPairSync("ed25519").privateKey),
      rawPrivate(generateKeyPairSync("x25519").privateKey),
      Date.now(),
    );
  }

  /** The same machine with another WireGuard key. */
  rotated(): PeerKeys {
    const issuedAtMs = Math.max(Date.now(), this.issuedAtMs + 1);
    return new PeerKeys(this.exportMachineSeed(), rawPrivate(generateKeyPairSync("x25519").privateKey), issuedAtMs);
  }

  /** The machine's word for its WireGuard key. */
  proveWireguardKey(networkId: string): KeyProof {
    const { issuedAtMs } = this;
    return { issuedAtMs, signature: this.sign(keyTranscript(networkId, this, issuedAtMs)) };
  }

  /** Copies for the key file and the tunnel; 32 bytes each. */
  exportMachineSeed(): Uint8Array {
    return this.#machine.exportSeed();
  }

  exportWireguardPrivate(): Uint8Array {
    return Uint8Array.from(this.#wireguardPrivate);
  }

  /** An Ed25519 signature by the machine key, base64. */
  sign(message: Uint8Array): string {
    return this.#machine.sign(message);
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
