export interface RekeyLimits {
  /** Both directions together. */
  readonly afterBytes: number;
  readonly afterMs: number;
  /** How long a key exchange that we began may take. */
  readonly stallMs: number;
}

/** While we exchange keys the other end may use up its window (2 MiB in ssh2), but it gets no new one. */
const MAX_BYTES_MEANWHILE = 4 * 1024 * 1024;

/** When a connection needs new keys (RFC 4253 §9), and whether the other end lets the exchange come to its end. */
export class RekeySchedule {
  readonly #limits: RekeyLimits;
  #bytes = 0;
  #sinceMs: number;
  /** What had been read from the connection when the exchange under way began. */
  #readAtStart: number | undefined;

  constructor(limits: RekeyLimits, nowMs: number) {
    this.#limits = limits;
    this.#sinceMs = nowMs;
  }

  count(bytes: number): void {
    this.#bytes += bytes;
  }

  isDue(nowMs: number): boolean {
    if (this.#readAtStart !== undefined) return false;
    return this.#bytes >= this.#limits.afterBytes || nowMs - this.#sinceMs >= this.#limits.afterMs;
  }

  begin(nowMs: number, readBytes: number): void {
    this.#sinceMs = nowMs;
    this.#readAtStart = readBytes;
  }

  done(nowMs: number): void {
    this.#bytes = 0;
    this.#sinceMs = nowMs;
    this.#readAtStart = undefined;
  }

  isStalled(nowMs: number): boolean {
    return this.#readAtStart !== undefined && nowMs - this.#sinceMs >= this.#limits.stallMs;
  }

  /** Whether more came during the exchange than an honest end can send: our answers would pile up here. */
  isAbused(readBytes: number): boolean {
    return this.#readAtStart !== undefined && readBytes - this.#readAtStart > MAX_BYTES_MEANWHILE;
  }
}
