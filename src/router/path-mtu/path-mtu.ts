import { PATH_MTU_SIZES, PATH_MTU_TIMINGS } from "./constants.ts";
import { ladder } from "./ladder.ts";

/** A probe to be sent by the path. */
export interface MtuProbe {
  readonly sequence: number;
  /** Size of its plaintext; 0 for as small as it gets. */
  readonly sizeBytes: number;
  /** It must arrive in one piece; otherwise the underlay may fragment it. */
  readonly isWhole: boolean;
}

export type MtuEvent =
  /** The path works. `sent`: how many messages that come near `mtuBytes` went by it so far. */
  | { readonly type: "alive"; readonly rttMs: number; readonly sent: number }
  | { readonly type: "answered"; readonly sequence: number }
  /** Our own host does not let a probe of this size out (`EMSGSIZE`). */
  | { readonly type: "refused"; readonly sequence: number }
  /** The network is another one: nothing that was found holds. */
  | { readonly type: "restart" }
  | { readonly type: "tick" };

/** What a round of probes is to find out. */
type Purpose =
  /** Whether all passes that may. It mostly does, and then nothing else is asked. */
  | "all"
  | "search"
  /** Whether the size in use still passes. */
  | "confirm"
  /** Whether what is too big arrives in fragments. */
  | "fragments";

interface Round {
  readonly purpose: Purpose;
  /** Those without an answer, ascending. */
  sizes: readonly number[];
  /** Earlier ones in which the small probe was answered. */
  tries: number;
  /** The small probe of this try, and when it was answered. */
  control: number;
  sentMs: number;
  controlMs: number | undefined;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Packetization-layer path MTU discovery (RFC 8899) for one path, sans-IO: padded probes inside the session find the
 * largest message that arrives in one piece, without a word from any router.
 *
 *     unknown ──the path answers──► all ───────────────────answered──────────────────► settled
 *                                    │                                                │ ▲   │
 *                                    └──no answer──► search ──► (fragments) ──────────┼─┘   │
 *                                                      ▲  a ladder of sizes,          │     │ confirm,
 *                                                      │  ever closer rungs           │     │ while in use
 *                                                      └────not answered any more─────┼─────┘
 *                                                                                     ▼
 *                                                            after a while: all, for a larger one
 *
 * A size counts as too big only when a small probe of the same moment got through, several times: loss and silence of the
 * path are the business of path selection. Call it with `tick` when `nextDeadlineMs()` has come.
 */
export class PathMtu {
  /** It is known that nothing larger than `mtuBytes` passes. */
  isSettled = false;
  /** A packet of IPv6's minimum MTU passes, if in fragments; false once it is known not to. */
  carriesIpv6 = true;
  /** How `mtuBytes` came about, in words for people. */
  reason = "not measured yet";
  readonly #ceilingBytes: number;
  /** The largest size that was answered, 0 for none, and the smallest that is too big. */
  #low = 0;
  #high: number;
  #round: Round | undefined;
  /** Sizes of the probes on their way. */
  readonly #sent = new Map<number, number>();
  #sequence = 0;
  #rttMs = 0;
  /** When the size in use was last confirmed, and what had been sent by then. */
  #confirmedMs = -NEVER;
  #confirmedSent = 0;
  #settledMs = -NEVER;
  /** What passed until it did not any more. */
  #lostBytes: number | undefined;

  /** @param ceilingBytes the interface's MTU: nothing larger is ever sent */
  constructor(ceilingBytes: number) {
    this.#ceilingBytes = ceilingBytes;
    this.#high = ceilingBytes + 1;
  }

  /** The largest packet that goes by the path in one piece, as far as is known. */
  get mtuBytes(): number {
    return this.#low > 0 ? this.#low : Math.min(PATH_MTU_SIZES.baseBytes, this.#high - 1);
  }

  /** Takes what happened; answers the probes to be sent, in this order. */
  handle(event: MtuEvent, nowMs: number): readonly MtuProbe[] {
    switch (event.type) {
      case "alive":
        return this.#alive(event.rttMs, event.sent, nowMs);
      case "answered":
        return this.#answered(event.sequence, nowMs);
      case "refused":
        return this.#refused(event.sequence, nowMs);
      case "restart":
        this.#lostBytes = undefined;
        this.#restart(this.#ceilingBytes + 1);
        return [];
      case "tick":
        return nowMs < this.nextDeadlineMs() ? [] : this.#endTry(nowMs);
    }
  }

  /** Infinity for never. */
  nextDeadlineMs(): number {
    if (this.#round === undefined) return NEVER;
    const { sentMs, controlMs } = this.#round;
    const { graceMs, graceRtts, patienceMs, patienceRtts } = PATH_MTU_TIMINGS;
    if (controlMs !== undefined) return controlMs + Math.max(graceMs, graceRtts * this.#rttMs);
    return sentMs + Math.max(patienceMs, patienceRtts * this.#rttMs);
  }

  #alive(rttMs: number, sent: number, nowMs: number): readonly MtuProbe[] {
    this.#rttMs = rttMs;
    if (this.#round !== undefined) return [];
    if (!this.isSettled) return this.#low > 0 ? this.#search(nowMs) : this.#ask("all", [this.#high - 1], nowMs);
    const { confirmMs, raiseMs } = PATH_MTU_TIMINGS;
    if (sent === this.#confirmedSent || nowMs - this.#confirmedMs < confirmMs) return [];
    this.#confirmedSent = sent;
    if (nowMs - this.#settledMs < raiseMs || this.#low === this.#ceilingBytes)
      return this.#ask("confirm", [this.#low], nowMs);
    this.#high = this.#ceilingBytes + 1;
    this.#lostBytes = undefined;
    return this.#ask("all", [this.#ceilingBytes], nowMs);
  }

  #answered(sequence: number, nowMs: number): readonly MtuProbe[] {
    const sizeBytes = this.#sent.get(sequence);
    const round = this.#round;
    this.#sent.delete(sequence);
    if (sizeBytes === undefined || round === undefined) return [];
    if (sizeBytes === 0) {
      if (sequence === round.control) round.controlMs = nowMs;
      return [];
    }
    if (round.purpose === "fragments") {
      this.carriesIpv6 = true;
      return this.#settle(nowMs);
    }
    this.#low = Math.max(this.#low, sizeBytes);
    this.#high = Math.max(this.#high, this.#low + 1);
    round.sizes = round.sizes.filter((size) => size > sizeBytes);
    if (round.sizes.length > 0) return [];
    if (round.purpose !== "confirm") return this.#search(nowMs);
    this.#confirmedMs = nowMs;
    this.#endRound();
    return [];
  }

  #refused(sequence: number, nowMs: number): readonly MtuProbe[] {
    const sizeBytes = this.#sent.get(sequence) ?? 0;
    const round = this.#round;
    this.#sent.delete(sequence);
    if (sizeBytes === 0 || round === undefined || round.purpose === "fragments") return [];
    if (round.purpose === "confirm") return this.#fall(nowMs);
    this.#high = Math.min(this.#high, sizeBytes);
    if (this.#low >= sizeBytes) this.#low = 0;
    const hadSizes = round.sizes.length > 0;
    round.sizes = round.sizes.filter((size) => size < sizeBytes);
    return hadSizes && round.sizes.length === 0 ? this.#search(nowMs) : [];
  }

  /** The answers to this try should be here by now. */
  #endTry(nowMs: number): readonly MtuProbe[] {
    const round = this.#round;
    if (round === undefined) return [];
    if (round.controlMs === undefined) {
      // The path itself is silent: the next sign of life begins the round again.
      this.#endRound();
      return [];
    }
    if (round.purpose === "all") return this.#search(nowMs);
    if (++round.tries < PATH_MTU_TIMINGS.tries) return this.#send(round, nowMs);
    if (round.purpose === "confirm") return this.#fall(nowMs);
    if (round.purpose === "fragments") {
      this.carriesIpv6 = false;
      return this.#settle(nowMs);
    }
    this.#high = round.sizes[0]!;
    return this.#search(nowMs);
  }

  /** What passed does not pass any more. */
  #fall(nowMs: number): readonly MtuProbe[] {
    this.#lostBytes = this.#low;
    this.#restart(this.#low);
    return this.#search(nowMs);
  }

  #restart(high: number): void {
    this.#low = 0;
    this.#high = high;
    this.isSettled = false;
    this.carriesIpv6 = true;
    this.reason = "not measured yet";
    this.#endRound();
  }

  #search(nowMs: number): readonly MtuProbe[] {
    const { minBytes, ipv6MinBytes } = PATH_MTU_SIZES;
    const sizes = ladder(Math.max(this.#low, minBytes - 1), this.#high, PATH_MTU_TIMINGS.rungs);
    if (sizes.length > 0) return this.#ask("search", sizes, nowMs);
    if (this.#low === 0) this.#low = Math.min(minBytes, this.#ceilingBytes);
    if (this.#low >= ipv6MinBytes || this.#ceilingBytes < ipv6MinBytes) {
      this.carriesIpv6 = true;
      return this.#settle(nowMs);
    }
    return this.#ask("fragments", [ipv6MinBytes], nowMs);
  }

  #settle(nowMs: number): readonly MtuProbe[] {
    this.isSettled = true;
    this.#settledMs = nowMs;
    this.#confirmedMs = nowMs;
    this.reason = this.#finding();
    this.#endRound();
    return [];
  }

  #finding(): string {
    if (this.#low === this.#ceilingBytes) return "whatever the interface takes passes";
    const larger = this.#lostBytes === undefined ? "larger ones do not pass" : `${this.#lostBytes} bytes passed before`;
    return this.carriesIpv6 ? larger : `${larger}; not even fragments of IPv6's minimum do`;
  }

  #endRound(): void {
    this.#round = undefined;
    this.#sent.clear();
  }

  #ask(purpose: Purpose, sizes: readonly number[], nowMs: number): readonly MtuProbe[] {
    this.#sent.clear();
    this.#round = { purpose, sizes, tries: 0, control: 0, sentMs: nowMs, controlMs: undefined };
    return this.#send(this.#round, nowMs);
  }

  /** The first try asks for all sizes, later ones for those that decide: the smallest without an answer, and the next. */
  #send(round: Round, nowMs: number): readonly MtuProbe[] {
    const isWhole = round.purpose !== "fragments";
    const sizes = round.tries === 0 ? round.sizes : round.sizes.slice(0, 2);
    const probes = [...sizes, 0].map((sizeBytes) => ({ sequence: this.#next(sizeBytes), sizeBytes, isWhole }));
    round.control = this.#sequence;
    round.sentMs = nowMs;
    round.controlMs = undefined;
    return probes;
  }

  #next(sizeBytes: number): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#sent.set(this.#sequence, sizeBytes);
    return this.#sequence;
  }
}
