import { createHash } from "node:crypto";

const HIDDEN = "[hidden]";

/** What is secret by its form, wherever it stands. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/mesh1_[A-Za-z0-9_-]+/g, `mesh1_${HIDDEN}`],
  [/-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----[\s\S]*?-----END \1PRIVATE KEY-----/g, HIDDEN],
  // Who logs in where, in a URL.
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"'\\]+@/gi, `$1${HIDDEN}@`],
  // A field of JSON, or of what people write, whose name says it.
  [
    /((?:private|preshared|secret|wireguard_?private)_?key|token|secret|password|passphrase|authorization|proof|seed)("?\s*[:=]\s*"?)(?:Bearer |Basic )?[^\s",}\\]+/gi,
    `$1$2${HIDDEN}`,
  ],
];

/** 32 bytes in base64 or base64url, or in hex: private keys look like public ones. */
const KEY_LIKE = /(?<![A-Za-z0-9+/_-])(?:[0-9a-f]{64}|[A-Za-z0-9+/_-]{43}=?)(?![A-Za-z0-9+/_=-])/gi;

/**
 * Takes secrets out of text that people pass on: logs, and what `mesh bugreport` gathers. Keys are told from others by their
 * hashes, so that it keeps no secret itself.
 */
export class Redactor {
  readonly #hashes = new Set<string>();

  /** From now on this one (32 bytes) is hidden in every text. */
  conceal(key: Uint8Array): void {
    this.#hashes.add(hashOf(key));
  }

  redact(text: string): string {
    const formless = FORMS.reduce((rest, [form, replacement]) => rest.replaceAll(form, replacement), text);
    if (this.#hashes.size === 0) return formless;
    return formless.replaceAll(KEY_LIKE, (candidate) => {
      const isHex = candidate.length === 64;
      return this.#hashes.has(hashOf(Buffer.from(candidate, isHex ? "hex" : "base64"))) ? HIDDEN : candidate;
    });
  }
}

function hashOf(key: Uint8Array): string {
  return createHash("sha256").update(key).digest("base64");
}
