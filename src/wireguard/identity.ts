import { IDENTIFIER, type WireGuardTimings } from "./constants.ts";
import { CookieChecker } from "./cookie.ts";
import type { HandshakeCrypto, X25519Key } from "./crypto/handshake-crypto.ts";
import type { RandomFill } from "./index-table.ts";
import type { NoiseIdentity } from "./noise.ts";

/** Who we are: everything that follows from our private key and is replaced with it. */
export class Identity {
  readonly staticKey: X25519Key;
  readonly noise: NoiseIdentity;
  readonly cookies: CookieChecker;

  /** `privateKey` is 32 bytes and stays the caller's to wipe. */
  constructor(
    deps: { readonly crypto: HandshakeCrypto; readonly timings: WireGuardTimings; readonly random: RandomFill },
    privateKey: Uint8Array,
  ) {
    this.staticKey = deps.crypto.x25519Key(privateKey);
    const prologue = new TextEncoder().encode(IDENTIFIER);
    this.noise = { crypto: deps.crypto, staticKey: this.staticKey, prologue };
    this.cookies = new CookieChecker(deps, this.staticKey.publicKey);
  }

  get publicKey(): Uint8Array {
    return this.staticKey.publicKey;
  }

  dispose(): void {
    this.staticKey.dispose();
    this.cookies.dispose();
  }
}
