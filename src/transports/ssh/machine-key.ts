import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { MeshError } from "../../base/errors.ts";

/** What a machine key is called on an SSH wire (RFC 8709). */
export const MACHINE_KEY_TYPE = "ssh-ed25519";

const KEY_BYTES = 32;
// Fixed DER wrappings of a raw key (RFC 8410 §4, §7): node:crypto takes no raw keys.
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** The container is padded to this many bytes when it is not encrypted. */
const BLOCK_BYTES = 8;
const PEM_LINE_CHARS = 70;

/** An Ed25519 public key (base64) as a key of `node:crypto`. @throws MeshError `bad-key` */
export function machinePublicKey(machineKey: string): KeyObject {
  const raw = Buffer.from(machineKey, "base64");
  if (raw.length !== KEY_BYTES) throw new MeshError("bad-key", "a machine key must be 32 bytes");
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
}

/** The public key as SSH carries it (RFC 8709 §4): `string "ssh-ed25519" · string key`. */
export function sshPublicKey(machineKey: string): Buffer {
  return Buffer.concat([sshString(MACHINE_KEY_TYPE), sshString(Buffer.from(machineKey, "base64"))]);
}

/** The public key, base64, of the Ed25519 `seed` (RFC 8032 §5.1.5; 32 bytes). @throws MeshError `bad-key` */
export function machineKeyOfSeed(seed: Uint8Array): string {
  if (seed.length !== KEY_BYTES) throw new MeshError("bad-key", "a private key must be 32 bytes");
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return spki.subarray(-KEY_BYTES).toString("base64");
}

/**
 * The Ed25519 `seed` as an OpenSSH private key file without a passphrase, the one form in which ssh2 and OpenSSH read such a
 * key (OpenSSH's PROTOCOL.key):
 *
 *     "openssh-key-v1\0" · string "none" · string "none" · string "" · uint32 1 · string public key · string container
 *     container: uint32 check · uint32 check · string type · string public · string seed ‖ public · string comment · 1, 2, 3 …
 *
 * @throws MeshError `bad-key`
 */
export function openSshPrivateKey(seed: Uint8Array): string {
  const machineKey = machineKeyOfSeed(seed);
  const raw = Buffer.from(machineKey, "base64");
  const fields = [
    // Two equal numbers show a reader that it decrypted well; nothing is encrypted here.
    Buffer.alloc(8),
    sshString(MACHINE_KEY_TYPE),
    sshString(raw),
    sshString(Buffer.concat([seed, raw])),
    sshString("mesh"),
  ];
  const unpadded = Buffer.concat(fields);
  const padBytes = -unpadded.length & (BLOCK_BYTES - 1);
  const container = Buffer.concat([unpadded, Uint8Array.from({ length: padBytes }, (_, i) => i + 1)]);
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0", "latin1"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    uint32(1),
    sshString(sshPublicKey(machineKey)),
    sshString(container),
  ]);
  const lines = file.toString("base64").match(new RegExp(`.{1,${PEM_LINE_CHARS}}`, "g")) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n");
}

function sshString(value: string | Uint8Array): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
