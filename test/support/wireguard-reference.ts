import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";

/**
 * The handshake of the whitepaper (§5.4.2, §5.4.3), line by line in its own notation, for comparison with the engine: it
 * shares no code with it, does no checking and wipes nothing.
 */
const concat = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const ascii = (words: string): Uint8Array => new TextEncoder().encode(words);
const Hash = (...parts: Uint8Array[]): Uint8Array => blake2s(concat(...parts));
const Mac = (key: Uint8Array, input: Uint8Array): Uint8Array => blake2s(input, { key, dkLen: 16 });
const Hmac = (key: Uint8Array, input: Uint8Array): Uint8Array => hmac(blake2s, key, input);
const Aead = (key: Uint8Array, plain: Uint8Array, auth: Uint8Array): Uint8Array =>
  chacha20poly1305(key, new Uint8Array(12), auth).encrypt(plain);
const DH = (secret: Uint8Array, point: Uint8Array): Uint8Array => x25519.getSharedSecret(secret, point);

function Kdf(key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const t0 = Hmac(key, input);
  const t1 = Hmac(t0, Uint8Array.of(1));
  const t2 = Hmac(t0, concat(t1, Uint8Array.of(2)));
  return [t1, t2, Hmac(t0, concat(t2, Uint8Array.of(3)))];
}

function le32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export interface ReferenceSecrets {
  readonly initiatorStatic: Uint8Array;
  readonly responderStatic: Uint8Array;
  readonly initiatorEphemeral: Uint8Array;
  readonly responderEphemeral: Uint8Array;
  readonly presharedKey: Uint8Array;
  readonly timestamp: Uint8Array;
  readonly initiatorIndex: number;
  readonly responderIndex: number;
}

export interface ReferenceHandshake {
  readonly initiation: Uint8Array;
  readonly response: Uint8Array;
  readonly initiatorSends: Uint8Array;
  readonly responderSends: Uint8Array;
}

export function referenceHandshake(s: ReferenceSecrets): ReferenceHandshake {
  const SiPub = x25519.getPublicKey(s.initiatorStatic);
  const SrPub = x25519.getPublicKey(s.responderStatic);
  const EiPub = x25519.getPublicKey(s.initiatorEphemeral);
  const ErPub = x25519.getPublicKey(s.responderEphemeral);
  let k: Uint8Array;

  let C = Hash(ascii("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
  let H = Hash(C, ascii("WireGuard v1 zx2c4 Jason@zx2c4.com"));
  H = Hash(H, SrPub);
  [C] = Kdf(C, EiPub);
  H = Hash(H, EiPub);
  [C, k] = Kdf(C, DH(s.initiatorEphemeral, SrPub));
  const encryptedStatic = Aead(k, SiPub, H);
  H = Hash(H, encryptedStatic);
  [C, k] = Kdf(C, DH(s.initiatorStatic, SrPub));
  const encryptedTimestamp = Aead(k, s.timestamp, H);
  H = Hash(H, encryptedTimestamp);
  const initiationHead = concat(le32(1), le32(s.initiatorIndex), EiPub, encryptedStatic, encryptedTimestamp);
  const initiation = concat(initiationHead, Mac(Hash(ascii("mac1----"), SrPub), initiationHead), new Uint8Array(16));

  [C] = Kdf(C, ErPub);
  H = Hash(H, ErPub);
  [C] = Kdf(C, DH(s.responderEphemeral, EiPub));
  [C] = Kdf(C, DH(s.responderEphemeral, SiPub));
  const [Cp, tau, kp] = Kdf(C, s.presharedKey);
  H = Hash(H, tau);
  const encryptedNothing = Aead(kp, new Uint8Array(0), H);
  const responseHead = concat(le32(2), le32(s.responderIndex), le32(s.initiatorIndex), ErPub, encryptedNothing);
  const response = concat(responseHead, Mac(Hash(ascii("mac1----"), SiPub), responseHead), new Uint8Array(16));

  const [initiatorSends, responderSends] = Kdf(Cp, new Uint8Array(0));
  return { initiation, response, initiatorSends, responderSends };
}
