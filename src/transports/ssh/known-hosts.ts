import { createHmac, timingSafeEqual } from "node:crypto";
import type { ServerHostKeyAlgorithm } from "ssh2";
import type { SocketTarget } from "../../host/tcp.ts";

/** What a known_hosts file says of a host key. */
export type HostKeyVerdict = "known" | "unknown" | "changed" | "revoked";

interface KnownHostLine {
  readonly isRevoked: boolean;
  readonly names: string;
  readonly keyType: string;
  /** As on the wire. */
  readonly key: Buffer;
}

const SSH_PORT = 22;
const ALGORITHMS_OF_TYPE: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  // The key type has one name, its signatures three, of which SHA-1's is left out (RFC 8332).
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
};

/**
 * A known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): lists, patterns, negation, `[host]:port`, hashed names and
 * revoked keys. Certificates are not taken, so lines of certificate authorities say nothing here. Lines that make no sense
 * are passed over, as OpenSSH does.
 *
 * The packages on npm that read such files have been left alone for years or know neither patterns nor revocation.
 */
export class KnownHosts {
  readonly #lines: readonly KnownHostLine[];

  constructor(text: string) {
    this.#lines = text.split(/\r?\n/).flatMap((line) => parseLine(line) ?? []);
  }

  /** @param key the host key as it stands on the wire */
  check(target: SocketTarget, key: Buffer): HostKeyVerdict {
    const lines = this.#linesOf(target);
    const isSame = (line: KnownHostLine) => line.key.equals(key);
    if (lines.some((line) => line.isRevoked && isSame(line))) return "revoked";
    const good = lines.filter((line) => !line.isRevoked);
    if (good.some(isSame)) return "known";
    return good.length > 0 ? "changed" : "unknown";
  }

  /** The algorithms by which the host can prove a key that stands here: it may have others that do not. Empty: none. */
  algorithmsFor(target: SocketTarget): ServerHostKeyAlgorithm[] {
    const types = new Set(this.#linesOf(target).flatMap((line) => (line.isRevoked ? [] : [line.keyType])));
    return Object.entries(ALGORITHMS_OF_TYPE).flatMap(([type, algorithms]) => (types.has(type) ? algorithms : []));
  }

  #linesOf({ host, port }: SocketTarget): readonly KnownHostLine[] {
    const name = host.toLowerCase();
    const wanted = port === SSH_PORT ? name : `[${name}]:${port}`;
    return this.#lines.filter(({ names }) => matchesNames(names, wanted));
  }
}

function parseLine(text: string): KnownHostLine | undefined {
  const fields = text.trim().split(/[ \t]+/);
  const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
  const [names, keyType, base64] = fields;
  if (names === undefined || names.startsWith("#") || keyType === undefined || base64 === undefined) return undefined;
  if (marker !== undefined && marker !== "@revoked") return undefined;
  const key = Buffer.from(base64, "base64");
  // A key that is not what its line calls it is damaged.
  const typeBytes = key.length >= 4 ? key.readUInt32BE(0) : 0;
  if (key.subarray(4, 4 + typeBytes).toString("latin1") !== keyType) return undefined;
  return { isRevoked: marker === "@revoked", names, keyType, key };
}

function matchesNames(names: string, wanted: string): boolean {
  if (names.startsWith("|")) return matchesHash(names, wanted);
  let isMatch = false;
  for (const pattern of names.split(",")) {
    const isNegated = pattern.startsWith("!");
    if (!matchesPattern(isNegated ? pattern.slice(1) : pattern, wanted)) continue;
    if (isNegated) return false;
    isMatch = true;
  }
  return isMatch;
}

/** `|1|salt|HMAC-SHA1(salt, name)`, both in base64. */
function matchesHash(hashed: string, wanted: string): boolean {
  const [, scheme, salt, hash] = hashed.split("|");
  if (scheme !== "1" || salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, "base64");
  const actual = createHmac("sha1", Buffer.from(salt, "base64")).update(wanted).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** `*` is any number of characters, `?` one (ssh_config(5), PATTERNS). */
function matchesPattern(pattern: string, text: string): boolean {
  let [at, textAt, starAt, retryAt] = [0, 0, -1, 0];
  const wanted = pattern.toLowerCase();
  while (textAt < text.length) {
    if (wanted[at] === "*") {
      starAt = at++;
      retryAt = textAt;
    } else if (at < wanted.length && (wanted[at] === "?" || wanted[at] === text[textAt])) {
      at++;
      textAt++;
    } else if (starAt >= 0) {
      at = starAt + 1;
      textAt = ++retryAt;
    } else return false;
  }
  return /^\**$/.test(wanted.slice(at));
}
