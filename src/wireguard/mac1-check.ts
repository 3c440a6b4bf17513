import { MessageType } from "./constants.ts";
import type { HandshakeCrypto } from "./crypto/handshake-crypto.ts";
import { computeMac1, hasMac1, type MacKeys, macKeysOf } from "./mac-keys.ts";
import { messageTypeOf } from "./messages.ts";

/**
 * The gate that a datagram passes before anything is spent on it: whoever made a MAC1 knows our public key. The data
 * thread asks before it queues a handshake message to the control thread, the engine once more before any DH.
 */
export class Mac1Check {
  readonly #crypto: HandshakeCrypto;
  readonly #keys: MacKeys;

  constructor(crypto: HandshakeCrypto, ownPublicKey: Uint8Array) {
    this.#crypto = crypto;
    this.#keys = macKeysOf(crypto, ownPublicKey);
  }

  /**
   * Whether `datagram` is an initiation or response with our MAC1, or a cookie reply (which carries none, and costs a
   * lookup and one short decryption only). False for data messages and everything else.
   */
  admits(datagram: Uint8Array): boolean {
    switch (messageTypeOf(datagram)) {
      case MessageType.initiation:
      case MessageType.response:
        return hasMac1(datagram, computeMac1(this.#crypto, this.#keys, datagram));
      case MessageType.cookieReply:
        return true;
      default:
        return false;
    }
  }
}
