/**
 * ChaCha20-Poly1305 (RFC 8439) for the data plane, a batch a call: the price of crossing into native code is paid once
 * for up to 64 KiB. One context belongs to one key and one direction.
 *
 * A run of WireGuard data messages (whitepaper §5.4.6) stands in `arena` from `offset`, `strideBytes` apart; only the
 * last may be shorter:
 *
 *     | type 4 | 0 0 0 | receiver index u32 | counter u64 | plaintext or ciphertext … | tag 16 |
 *       0                4                    8             16                          end − 16
 */
export interface AeadProvider {
  readonly name: AeadProviderName;
  /** `key` is 32 bytes. A provider that needs the key later refers to these very bytes and never copies them. */
  createSealer(key: Uint8Array): Sealer;
  createOpener(key: Uint8Array): Opener;
}

export type AeadProviderName = "openssl" | "sodium" | "noble";

export interface Sealer {
  /**
   * Seals `count` messages in place; message i gets the counter `firstCounter + i`, written into its header (the type
   * and the receiver index are the caller's). `lastBytes` is the whole length of the last message, header and tag
   * included.
   */
  seal(
    arena: Uint8Array,
    offset: number,
    strideBytes: number,
    count: number,
    lastBytes: number,
    firstCounter: number,
  ): void;
  /** Frees the context and wipes what it holds of the key. Idempotent. */
  dispose(): void;
}

export interface Opener {
  /**
   * Opens the messages of `totalBytes` bytes in place, each with the counter in its header; `verdicts[i]` becomes 1 for
   * an authentic message, else 0 (also when it is too short to hold a tag). Returns how many messages there were.
   * The plaintext of message i then stands at `offset + i * strideBytes + 16`.
   */
  open(arena: Uint8Array, offset: number, totalBytes: number, strideBytes: number, verdicts: Uint8Array): number;
  dispose(): void;
}
