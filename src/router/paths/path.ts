import type { TransportName } from "../../base/transports.ts";
import { DeliveryWatch } from "./delivery.ts";
import type { PathCandidate } from "./events.ts";
import { LeastRtt } from "./least-rtt.ts";
import { LossWatch } from "./loss-watch.ts";
import { NEVER, PATH_TIMINGS } from "./timings.ts";

/** A probe on its way, and our counts when it left. */
export interface SentProbe {
  readonly sequence: number;
  readonly sentMs: number;
  readonly txData: number;
  readonly txLarge: number;
}

interface PeerCounts {
  readonly rxData: number;
  readonly rxLarge: number;
}

/**
 * What dies on a path although its probes pass, all of them or some; or it carries ours, but the peer cannot use it; or it,
 * or its like, fell silent under the data.
 */
export type Loss = "data" | "large" | "some" | "theirs" | "silence";

const MAX_UNANSWERED = 128;
/** Weight of one probe in the loss rate. */
const LOSS_GAIN = 1 / 32;
/** A silence is no loss rate: of one gap no more than this counts. */
const MAX_LOST_AT_ONCE = 4;
/** So many probes lost in a row explain that data was lost meanwhile. */
const GAP_PROBES = 2;
/** A path once proven is asked soon again when it has fallen silent, though not as fast as a new one. */
const ROUND_AFTER_SILENCE = 4;
/** From here on the gaps of a burst are long enough to miss what the other end does. */
const ROUND_OF_GAPS = 3;

/** One path to one peer: what its probes and their answers say about it. */
export class Path {
  readonly id: number;
  readonly transport: TransportName;
  readonly label: string;
  isOpen: boolean;

  /** Smoothed as in RFC 6298; undefined until the first answer. */
  srttMs: number | undefined;
  #rttVarMs = 0;
  readonly leastRtt = new LeastRtt();
  /** Answers to earlier probes stood in a queue while the path was dead: TCP sends them all when it comes back. */
  #rttFromMs = -NEVER;
  /** Share of the probes that got no answer, 0–1. */
  lossRate = 0;

  lastProbeMs = -NEVER;
  lastReplyMs = -NEVER;
  lastHeardMs = -NEVER;
  lastRequestMs = -NEVER;
  /** Probe at this time, whatever the schedule says. */
  urgentAtMs = NEVER;
  /** Probes since the path began anew that got no answer. */
  round = 0;

  isSilent = false;
  repliesInRow = 0;
  totalReplies = 0;
  /** When the present row of replies began. */
  #answeringSinceMs = -NEVER;
  /** How often the path fell silent while it was in use, of late. */
  #falls = 0;

  readonly data = new DeliveryWatch();
  readonly large = new DeliveryWatch();
  readonly loss = new LossWatch();
  /** Too small for packets that every path has to carry. */
  isNarrow = false;
  /** The peer tells how much of our data arrives. */
  reportsDelivery = false;
  hold: { readonly loss: Loss; readonly untilMs: number } | undefined;
  #holdMs = 0;

  /** Replies in a row that were nearer than the path in use. */
  nearerInRow = 0;
  #dwellMs = 0;
  #dwellUntilMs = -NEVER;

  #unanswered: SentProbe[] = [];
  /** Silence before this is ours. */
  #excusedMs = -NEVER;

  constructor({ id, transport, label }: PathCandidate) {
    this.id = id;
    this.transport = transport;
    this.label = label;
    this.isOpen = transport === "udp";
  }

  get isProven(): boolean {
    return this.repliesInRow >= PATH_TIMINGS.provenReplies;
  }

  isHeld(nowMs: number): boolean {
    return this.hold !== undefined && nowMs < this.hold.untilMs;
  }

  get unansweredCount(): number {
    return this.#unanswered.length;
  }

  setOpen(isOpen: boolean, nowMs: number): void {
    if (isOpen === this.isOpen) return;
    this.isOpen = isOpen;
    this.restart(nowMs);
    if (!isOpen) this.urgentAtMs = NEVER;
  }

  /** Nothing is proven any more: to be probed at once and in a burst. */
  restart(nowMs: number): void {
    this.#unanswered = [];
    this.repliesInRow = 0;
    this.isSilent = false;
    this.round = 0;
    this.nearerInRow = 0;
    this.srttMs = undefined;
    this.leastRtt.reset();
    this.#rttFromMs = -NEVER;
    this.urgentAtMs = nowMs;
    this.data.reset();
    this.large.reset();
    this.loss.reset();
  }

  /** To be probed at once and in a burst, unless it works or the burst has only begun: the other end does the same. */
  punch(): void {
    if (!this.isProven && this.round > ROUND_OF_GAPS) this.round = 0;
  }

  /** Another network: what the path did wrong before does not count against it either. */
  forgive(): void {
    this.hold = undefined;
    this.#holdMs = 0;
    this.#falls = 0;
    this.#dwellMs = 0;
    this.#dwellUntilMs = -NEVER;
    this.lossRate = 0;
  }

  /** To be probed soon, though not more often than every `gapMs`. */
  hurry(nowMs: number, gapMs: number): void {
    this.urgentAtMs = Math.min(this.urgentAtMs, Math.max(nowMs, this.lastProbeMs + gapMs));
  }

  probed(probe: SentProbe): void {
    this.lastProbeMs = probe.sentMs;
    this.urgentAtMs = NEVER;
    if (!this.isProven) this.round++;
    this.#unanswered.push(probe);
    if (this.#unanswered.length > MAX_UNANSWERED) this.#unanswered.shift();
  }

  /**
   * Takes an answer, and what the peer says has arrived. False when it is too late or nobody asked. The path is held down
   * when the answer shows that it loses data.
   */
  answered(sequence: number, rttMs: number, counts: PeerCounts | undefined, nowMs: number): boolean {
    const lost = this.#unanswered.findIndex((probe) => probe.sequence === sequence);
    const probe = this.#unanswered[lost];
    if (probe === undefined) return false;
    this.#unanswered.splice(0, lost + 1);
    if (this.isSilent) this.#rttFromMs = nowMs;
    if (probe.sentMs >= this.#rttFromMs || this.srttMs === undefined) this.#takeRtt(rttMs, nowMs);
    this.#takeLoss(lost);
    if (this.isSilent) this.repliesInRow = 0;
    if (this.repliesInRow === 0) this.#answeringSinceMs = nowMs;
    this.isSilent = false;
    this.repliesInRow++;
    this.totalReplies++;
    this.lastReplyMs = nowMs;
    this.lastHeardMs = nowMs;
    this.reportsDelivery = counts !== undefined;
    if (counts !== undefined) this.#observe(probe, counts, lost >= GAP_PROBES, nowMs);
    if (this.loss.isBad) this.holdDown("some", nowMs);
    return true;
  }

  /** Messages that must be missing before chance is no explanation (1 in 10⁶), given how many probes are lost. */
  get #lostMessagesNeeded(): number {
    if (this.lossRate < 0.01) return PATH_TIMINGS.lostMessages;
    return Math.max(PATH_TIMINGS.lostMessages, Math.ceil(Math.log(1e-6) / Math.log(Math.min(this.lossRate, 0.8))));
  }

  /** The round trip to reckon with. */
  get expectedRttMs(): number {
    return this.srttMs ?? PATH_TIMINGS.assumedRttMs;
  }

  /** How long after the last reply, or after the first probe without one, the path is in doubt. */
  get suspectAfterMs(): number {
    const { suspectMinMs, suspectRtts, suspectExtraMs } = PATH_TIMINGS;
    const rttMs = this.expectedRttMs;
    return Math.max(suspectMinMs, suspectRtts * rttMs + suspectExtraMs, rttMs + 4 * this.#rttVarMs + suspectExtraMs);
  }

  get suspectAtMs(): number {
    if (this.#unanswered.length < PATH_TIMINGS.suspectUnanswered) return NEVER;
    return this.silentSinceMs + this.suspectAfterMs;
  }

  get deadAtMs(): number {
    if (this.isSilent || this.#unanswered.length < PATH_TIMINGS.deadUnanswered) return NEVER;
    const { deadMinMs, deadRtts } = PATH_TIMINGS;
    return this.silentSinceMs + Math.max(deadMinMs, deadRtts * this.expectedRttMs, this.suspectAfterMs);
  }

  /** When the oldest probe without an answer should have had one. */
  get overdueAtMs(): number {
    const oldest = this.#unanswered[0];
    return oldest === undefined ? NEVER : oldest.sentMs + this.suspectAfterMs;
  }

  /** We ourselves were asleep until now, and answers may still be waiting to be read. */
  excuse(nowMs: number): void {
    this.#excusedMs = nowMs;
  }

  fallSilent(): void {
    this.isSilent = true;
    this.repliesInRow = 0;
    this.nearerInRow = 0;
    this.round = Math.max(this.#wasEverProven ? 0 : this.round, ROUND_AFTER_SILENCE);
  }

  /** It was left because it fell silent. */
  fell(usedSinceMs: number, nowMs: number): void {
    this.#falls = nowMs - usedSinceMs >= PATH_TIMINGS.forgivenMs ? 1 : this.#falls + 1;
    // It answers until data goes by it.
    if (this.lastReplyMs - usedSinceMs < PATH_TIMINGS.diesAtOnceMs) this.holdDown("data", nowMs);
    this.mistrust(nowMs);
  }

  /** It may be tried again as soon as it answers, but answers are no proof any more: a scrubber lets those pass. */
  mistrust(nowMs: number): void {
    this.hold ??= { loss: "silence", untilMs: nowMs };
  }

  /** From when on the path may take over from one that works. */
  get steadyAtMs(): number {
    if (!this.isProven) return NEVER;
    if (this.#falls < 2) return this.#answeringSinceMs;
    const { steadyMs, steadyMaxMs } = PATH_TIMINGS;
    return this.#answeringSinceMs + Math.min(steadyMaxMs, steadyMs * 2 ** (this.#falls - 2));
  }

  /** Messages are of another size from now on: that large ones were lost is over. */
  resize(isNarrow: boolean): void {
    this.isNarrow = isNarrow;
    this.large.reset();
    if (this.hold?.loss === "large") this.hold = undefined;
  }

  /** It has carried everything for so long that old holds are forgotten. */
  forgetHolds(): void {
    this.hold = undefined;
    this.#holdMs = 0;
  }

  /** It was left for a nearer one: going back for the same reason has to wait. */
  leftForNearer(nowMs: number): void {
    const { dwellMs, dwellMaxMs } = PATH_TIMINGS;
    const isRecent = nowMs < this.#dwellUntilMs + PATH_TIMINGS.forgivenMs;
    this.#dwellMs = isRecent ? Math.min(dwellMaxMs, this.#dwellMs * 2) : dwellMs;
    this.#dwellUntilMs = nowMs + this.#dwellMs;
  }

  isNearer(nowMs: number): boolean {
    return this.nearerInRow >= PATH_TIMINGS.nearerReplies && nowMs >= this.#dwellUntilMs;
  }

  #observe(probe: SentProbe, { rxData, rxLarge }: PeerCounts, isAfterGap: boolean, nowMs: number): void {
    const { sentMs, txData, txLarge } = probe;
    const needed = this.#lostMessagesNeeded;
    const losesData = this.data.observe(txData, rxData, sentMs, needed, isAfterGap);
    const losesLarge = this.large.observe(txLarge, rxLarge, sentMs, needed, isAfterGap);
    // What fell into a gap, or does not arrive at all, is no loss by chance.
    if (isAfterGap) this.loss.skipData();
    else if (!this.data.isWaiting && !this.large.isWaiting) this.loss.data({ sent: txData, received: rxData });
    if (losesData) this.holdDown("data", nowMs);
    else if (losesLarge) this.holdDown("large", nowMs);
  }

  /** Not to be used for a while, twice as long each time; where the trouble is the peer's, until that has come back to it. */
  holdDown(loss: Loss, nowMs: number): void {
    this.data.reset();
    this.large.reset();
    this.loss.reset();
    if (this.isHeld(nowMs)) return;
    const { holdMs, holdMaxMs } = PATH_TIMINGS;
    this.#holdMs = this.#holdMs === 0 ? holdMs : Math.min(holdMaxMs, this.#holdMs * 2);
    this.hold = { loss, untilMs: nowMs + (loss === "theirs" ? holdMaxMs : this.#holdMs) };
  }

  /** The peer sends by it. */
  usedByPeer(): void {
    if (this.hold?.loss === "theirs") this.hold = undefined;
  }

  get #wasEverProven(): boolean {
    return this.totalReplies >= PATH_TIMINGS.provenReplies;
  }

  /** Since when there has been no sign of life; Infinity while no answer is missing. */
  get silentSinceMs(): number {
    return Math.max(this.lastReplyMs, this.#excusedMs, this.#unanswered[0]?.sentMs ?? NEVER);
  }

  #takeLoss(probes: number): void {
    const lost = Math.min(probes, MAX_LOST_AT_ONCE);
    for (let i = 0; i < lost; i++) this.lossRate += LOSS_GAIN * (1 - this.lossRate);
    this.lossRate -= LOSS_GAIN * this.lossRate;
    if (this.isSilent) this.loss.reset();
    else this.loss.probes(lost);
  }

  #takeRtt(rttMs: number, nowMs: number): void {
    this.leastRtt.take(rttMs, nowMs);
    if (this.srttMs === undefined) {
      this.srttMs = rttMs;
      this.#rttVarMs = rttMs / 2;
      return;
    }
    this.#rttVarMs += (Math.abs(this.srttMs - rttMs) - this.#rttVarMs) / 4;
    this.srttMs += (rttMs - this.srttMs) / 8;
  }
}
