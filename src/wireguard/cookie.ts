import { accountableSource, type Endpoint, isPipe } from "../packet/endpoint.ts";
import { COOKIE_NONCE_BYTES, KEY_BYTES, type WireGuardTimings } from "./constants.ts";
import type { HandshakeCrypto } from "./crypto/handshake-crypto.ts";
import type { RandomFill } from "./index-table.ts";
import { computeMac1, computeMac2, hasMac1, hasMac2, type MacKeys, mac2Offset, macKeysOf } from "./mac-keys.ts";
import { decodeCookieReply, encodeCookieReply, mac1Offset, SENDER_INDEX_OFFSET } from "./messages.ts";

/**
 * Cookies (whitepaper §5.3): under load a responder answers a handshake message with a cookie instead of doing any DH,
 * and does the DH only for messages whose MAC2 shows that the sender received the cookie, so that its address is true.
 */
export type MacVerdict = "invalid" | "mac1" | "mac1-and-mac2";

interface CookieDeps {
  readonly crypto: HandshakeCrypto;
  readonly timings: WireGuardTimings;
  readonly random: RandomFill;
}

/** The responder's half: checks the MACs of incoming handshake messages and hands cookies out. */
export class CookieChecker {
  readonly #deps: CookieDeps;
  readonly #keys: MacKeys;
  readonly #secret = new Uint8Array(KEY_BYTES);
  #secretMadeAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: CookieDeps, ownPublicKey: Uint8Array) {
    this.#deps = deps;
    this.#keys = macKeysOf(deps.crypto, ownPublicKey);
  }

  check(message: Uint8Array, source: Endpoint, nowMs: number): MacVerdict {
    const { crypto } = this.#deps;
    if (!hasMac1(message, computeMac1(crypto, this.#keys, message))) return "invalid";
    if (this.#isSecretStale(nowMs)) return "mac1";
    const mac2 = computeMac2(crypto, this.#cookieFor(source), message);
    return hasMac2(message, mac2) ? "mac1-and-mac2" : "mac1";
  }

  /** The cookie reply to a handshake message whose MAC1 was checked. */
  createReply(message: Uint8Array, source: Endpoint, nowMs: number): Uint8Array {
    const { crypto, random } = this.#deps;
    if (this.#isSecretStale(nowMs)) {
      random(this.#secret);
      this.#secretMadeAtMs = nowMs;
    }
    const nonce = new Uint8Array(COOKIE_NONCE_BYTES);
    random(nonce);
    const mac1 = message.subarray(mac1Offset(message.length), mac2Offset(message));
    const encryptedCookie = crypto.sealCookie(this.#keys.cookie, nonce, this.#cookieFor(source), mac1);
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    return encodeCookieReply({
      receiverIndex: view.getUint32(SENDER_INDEX_OFFSET, true),
      nonce,
      encryptedCookie,
    });
  }

  dispose(): void {
    this.#secret.fill(0);
  }

  #isSecretStale(nowMs: number): boolean {
    return nowMs - this.#secretMadeAtMs >= this.#deps.timings.cookieSecretLifetimeMs;
  }

  /** Only we read our cookies, so any encoding of the address will do that is unambiguous. */
  #cookieFor(source: Endpoint): Uint8Array {
    const port = isPipe(source) ? 0 : source.port;
    return this.#deps.crypto.mac(this.#secret, new TextEncoder().encode(`${accountableSource(source)} ${port}`));
  }
}

/** The initiator's half, one for each peer: stamps MACs on what we send to it and keeps the cookie it gave us. */
export class CookieJar {
  readonly #deps: Omit<CookieDeps, "random">;
  readonly #keys: MacKeys;
  #cookie: Uint8Array | undefined;
  #cookieReceivedAtMs = 0;
  /** What the next cookie reply must refer to; taken by the first one, so that a reply cannot be played twice. */
  #lastMac1: Uint8Array | undefined;

  constructor(deps: Omit<CookieDeps, "random">, remotePublicKey: Uint8Array) {
    this.#deps = deps;
    this.#keys = macKeysOf(deps.crypto, remotePublicKey);
  }

  /** Writes MAC1, and MAC2 while we hold a cookie, into a handshake message. */
  stamp(message: Uint8Array, nowMs: number): void {
    const { crypto, timings } = this.#deps;
    const mac1 = computeMac1(crypto, this.#keys, message);
    message.set(mac1, mac1Offset(message.length));
    this.#lastMac1 = mac1;
    if (this.#cookie === undefined || nowMs - this.#cookieReceivedAtMs >= timings.cookieLifetimeMs) return;
    message.set(computeMac2(crypto, this.#cookie, message), mac2Offset(message));
  }

  /** Takes the cookie of a reply to our last message; false when it is none. */
  consume(reply: Uint8Array, nowMs: number): boolean {
    if (this.#lastMac1 === undefined) return false;
    const { nonce, encryptedCookie } = decodeCookieReply(reply);
    const cookie = this.#deps.crypto.openCookie(this.#keys.cookie, nonce, encryptedCookie, this.#lastMac1);
    if (cookie === undefined) return false;
    this.#cookie = cookie;
    this.#cookieReceivedAtMs = nowMs;
    this.#lastMac1 = undefined;
    return true;
  }
}
