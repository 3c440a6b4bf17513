import { createHash } from "node:crypto";

const HIDDEN = "[hidden]";

const SECRET_NAME =
  "(?:private|pre[_-]?shared|secret|wireguard[_-]?private)[_-]?key|psk|token|secret|password|passphrase|authorization|proof|seed";

/** What is secret by its form, wherever it stands. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/mesh1_[A-Za-z0-9_-]+/g, `mesh1_${HIDDEN}`],
  [/-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----[\s\S]*?-----END \1PRIVATE KEY-----/g, HIDDEN],
  // Who logs in where, in a URL; a password may have signs in it that should have been encoded.
  [/(\b[a-z][a-z0-9+.-]*:\/\/)(?:[^\s"\\]|\\["\\])+@/gi, `$1${HIDDEN}@`],
  // A field of JSON (perhaps inside other JSON), or of what people write, whose name says it: quoted to the quote, else a word.
  [new RegExp(String.raw`(${SECRET_NAME})(\\*"?\s*[:=]\s*)(\\*")(.+?)(?<!\\)\3`, "gi"), `$1$2$3${HIDDEN}$3`],
  [
    new RegExp(String.raw`(${SECRET_NAME})(\\*"?\s*[:=]\s*)(?!\\*")(?:Bearer |Basic )?[^\s",}\\]+`, "gi"),
    `$1$2${HIDDEN}`,
  ],
];

const IS_SECRET_NAME = new RegExp(`(?:${SECRET_NAME})$`, "i");

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

  /** The same of a value of JSON: of every text and name in it, and whatever stands under a name that says it is secret. */
  redactValue(value: unknown, then: (text: string) => string = (text) => text): unknown {
    if (typeof value === "string") return then(this.redact(value));
    if (Array.isArray(value)) return value.map((each) => this.redactValue(each, then));
    if (typeof value !== "object" || value === null) return value;
    const fields = Object.entries(value).map(([name, field]) => {
      const isHidden = IS_SECRET_NAME.test(name) && field !== null && typeof field !== "boolean";
      return [then(this.redact(name)), isHidden ? HIDDEN : this.redactValue(field, then)];
    });
    return Object.fromEntries(fields);
  }
}

function hashOf(key: Uint8Array): string {
  return createHash("sha256").update(key).digest("base64");
}
