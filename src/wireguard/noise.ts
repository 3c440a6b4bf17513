import { CONSTRUCTION } from "./constants.ts";
import { deriveKeys, type HandshakeCrypto, type X25519Key } from "./crypto/handshake-crypto.ts";

/**
 * The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (Noise specification revision 34; whitepaper §5.4.2 f.):
 *
 *     <- s
 *     ...
 *     -> e, es, s, ss, payload
 *     <- e, ee, se, psk, payload
 *
 * Messages here are the Noise fields alone; `messages.ts` puts them into WireGuard's. Everything that holds a secret has
 * a `dispose` that wipes it. "Undefined" stands for a message that is not authentic or a key of low order: no answer.
 */
export interface NoiseIdentity {
  readonly crypto: HandshakeCrypto;
  readonly staticKey: X25519Key;
  readonly prologue: Uint8Array;
}

/** What is known of the other end before a handshake with it. */
export interface NoiseRemote {
  readonly staticPublicKey: Uint8Array;
  /** DH of both static keys, the same for every handshake of the pair; undefined when one is of low order. */
  readonly staticStatic: Uint8Array | undefined;
  readonly presharedKey: Uint8Array;
}

export interface InitiationFields {
  readonly ephemeral: Uint8Array;
  readonly encryptedStatic: Uint8Array;
  readonly encryptedPayload: Uint8Array;
}

export interface ResponseFields {
  readonly ephemeral: Uint8Array;
  readonly encryptedPayload: Uint8Array;
}

/** 32 bytes each, from the point of view of the side that holds them. Wipe after use. */
export interface TransportKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

const EMPTY = new Uint8Array(0);

/** The running hash, chaining key and message key of a handshake (Noise §5.2). */
class SymmetricState {
  readonly #crypto: HandshakeCrypto;
  chainingKey: Uint8Array;
  hash: Uint8Array;
  key: Uint8Array = EMPTY;

  constructor(crypto: HandshakeCrypto, chainingKey: Uint8Array, hash: Uint8Array) {
    this.#crypto = crypto;
    this.chainingKey = chainingKey;
    this.hash = hash;
  }

  static start({ crypto, prologue }: NoiseIdentity, responderStatic: Uint8Array): SymmetricState {
    const chainingKey = crypto.hash(new TextEncoder().encode(CONSTRUCTION));
    const hash = crypto.hash(crypto.hash(chainingKey, prologue), responderStatic);
    return new SymmetricState(crypto, chainingKey, hash);
  }

  /** For a step that may fail and must then leave the original as it was. No key: take it before the next `mixKey`. */
  copy(): SymmetricState {
    return new SymmetricState(this.#crypto, new Uint8Array(this.chainingKey), new Uint8Array(this.hash));
  }

  mixHash(data: Uint8Array): void {
    this.hash = this.#crypto.hash(this.hash, data);
  }

  /** The whole of token `e`: with a PSK in the pattern the ephemeral goes into the key as well. */
  mixEphemeral(publicKey: Uint8Array): void {
    this.mixHash(publicKey);
    const [chainingKey] = deriveKeys(this.#crypto, this.chainingKey, publicKey, 1);
    this.#advance(chainingKey, EMPTY);
  }

  /** Mixes a DH result in; it is the caller's to wipe. */
  mixKey(secret: Uint8Array): void {
    const [chainingKey, key] = deriveKeys(this.#crypto, this.chainingKey, secret, 2);
    this.#advance(chainingKey, key as Uint8Array);
  }

  mixPresharedKey(presharedKey: Uint8Array): void {
    const [chainingKey, tau, key] = deriveKeys(this.#crypto, this.chainingKey, presharedKey, 3);
    this.mixHash(tau as Uint8Array);
    (tau as Uint8Array).fill(0);
    this.#advance(chainingKey, key as Uint8Array);
  }

  encrypt(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#crypto.seal(this.key, plaintext, this.hash);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  decrypt(ciphertext: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#crypto.open(this.key, ciphertext, this.hash);
    if (plaintext !== undefined) this.mixHash(ciphertext);
    return plaintext;
  }

  /** First the key of initiator → responder, then the other; the state is spent and wiped. */
  split(): [Uint8Array, Uint8Array] {
    const [first, second] = deriveKeys(this.#crypto, this.chainingKey, EMPTY, 2);
    this.dispose();
    return [first, second as Uint8Array];
  }

  dispose(): void {
    this.chainingKey.fill(0);
    this.hash.fill(0);
    this.key.fill(0);
  }

  #advance(chainingKey: Uint8Array, key: Uint8Array): void {
    this.chainingKey.fill(0);
    this.key.fill(0);
    this.chainingKey = chainingKey;
    this.key = key;
  }
}

/** The initiator between its message and the answer. */
export class SentInitiation {
  readonly #identity: NoiseIdentity;
  readonly #remote: NoiseRemote;
  readonly #ephemeral: X25519Key;
  readonly #state: SymmetricState;

  private constructor(identity: NoiseIdentity, remote: NoiseRemote, ephemeral: X25519Key, state: SymmetricState) {
    this.#identity = identity;
    this.#remote = remote;
    this.#ephemeral = ephemeral;
    this.#state = state;
  }

  /** Takes `ephemeral` over. */
  static write(
    identity: NoiseIdentity,
    remote: NoiseRemote,
    ephemeral: X25519Key,
    payload: Uint8Array,
  ): { initiation: SentInitiation; fields: InitiationFields } | undefined {
    const state = SymmetricState.start(identity, remote.staticPublicKey);
    state.mixEphemeral(ephemeral.publicKey);
    if (remote.staticStatic === undefined || !mixSecret(state, ephemeral.sharedSecret(remote.staticPublicKey))) {
      state.dispose();
      ephemeral.dispose();
      return undefined;
    }
    const encryptedStatic = state.encrypt(identity.staticKey.publicKey);
    state.mixKey(remote.staticStatic);
    const encryptedPayload = state.encrypt(payload);
    return {
      initiation: new SentInitiation(identity, remote, ephemeral, state),
      fields: { ephemeral: ephemeral.publicKey, encryptedStatic, encryptedPayload },
    };
  }

  /** A response that is not authentic changes nothing: the true one may still come. */
  readResponse(fields: ResponseFields): { payload: Uint8Array; keys: TransportKeys } | undefined {
    const state = this.#state.copy();
    state.mixEphemeral(fields.ephemeral);
    if (
      !mixSecret(state, this.#ephemeral.sharedSecret(fields.ephemeral)) ||
      !mixSecret(state, this.#identity.staticKey.sharedSecret(fields.ephemeral))
    ) {
      state.dispose();
      return undefined;
    }
    state.mixPresharedKey(this.#remote.presharedKey);
    const payload = state.decrypt(fields.encryptedPayload);
    if (payload === undefined) {
      state.dispose();
      return undefined;
    }
    const [send, receive] = state.split();
    return { payload, keys: { send, receive } };
  }

  dispose(): void {
    this.#ephemeral.dispose();
    this.#state.dispose();
  }
}

/** The responder, from the first field of an initiation to its answer. */
export class ReceivedInitiation {
  /** Who claims to initiate; proven only by `readPayload`. */
  readonly remoteStaticPublicKey: Uint8Array;
  readonly #remoteEphemeral: Uint8Array;
  readonly #encryptedPayload: Uint8Array;
  readonly #state: SymmetricState;

  private constructor(fields: InitiationFields, remoteStaticPublicKey: Uint8Array, state: SymmetricState) {
    this.remoteStaticPublicKey = remoteStaticPublicKey;
    this.#remoteEphemeral = new Uint8Array(fields.ephemeral);
    this.#encryptedPayload = fields.encryptedPayload;
    this.#state = state;
  }

  static read(identity: NoiseIdentity, fields: InitiationFields): ReceivedInitiation | undefined {
    const state = SymmetricState.start(identity, identity.staticKey.publicKey);
    state.mixEphemeral(fields.ephemeral);
    const isMixed = mixSecret(state, identity.staticKey.sharedSecret(fields.ephemeral));
    const remoteStatic = isMixed ? state.decrypt(fields.encryptedStatic) : undefined;
    if (remoteStatic === undefined) {
      state.dispose();
      return undefined;
    }
    return new ReceivedInitiation(fields, remoteStatic, state);
  }

  /** Proves the initiator: only the holder of its static key can have sealed the payload. */
  readPayload(staticStatic: Uint8Array | undefined): Uint8Array | undefined {
    if (staticStatic === undefined) return undefined;
    this.#state.mixKey(staticStatic);
    return this.#state.decrypt(this.#encryptedPayload);
  }

  /** After `readPayload`. Takes `ephemeral` over; this object is spent. */
  writeResponse(
    ephemeral: X25519Key,
    presharedKey: Uint8Array,
    payload: Uint8Array,
  ): { fields: ResponseFields; keys: TransportKeys } | undefined {
    const state = this.#state;
    state.mixEphemeral(ephemeral.publicKey);
    const isMixed =
      mixSecret(state, ephemeral.sharedSecret(this.#remoteEphemeral)) &&
      mixSecret(state, ephemeral.sharedSecret(this.remoteStaticPublicKey));
    ephemeral.dispose();
    if (!isMixed) {
      state.dispose();
      return undefined;
    }
    state.mixPresharedKey(presharedKey);
    const encryptedPayload = state.encrypt(payload);
    const [receive, send] = state.split();
    return { fields: { ephemeral: ephemeral.publicKey, encryptedPayload }, keys: { send, receive } };
  }

  dispose(): void {
    this.#state.dispose();
  }
}

/** Mixes a DH result in and wipes it; false when there is none. */
function mixSecret(state: SymmetricState, secret: Uint8Array | undefined): boolean {
  if (secret === undefined) return false;
  state.mixKey(secret);
  secret.fill(0);
  return true;
}
