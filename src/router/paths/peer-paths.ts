import { setupOf } from "../../base/transports.ts";
import { Agreement } from "./agreement.ts";
import { AttemptLog } from "./attempts.ts";
import type { PathAction, PathCandidate, PathCounters, PathEvent } from "./events.ts";
import { Path } from "./path.ts";
import { Preference } from "./preference.ts";
import { isNearerBy, Ranking } from "./ranking.ts";
import { type Activity, nextProbeMs, type ProbeContext } from "./schedule.ts";
import { type Change, Selection } from "./selection.ts";
import { describePath, type PeerPathsStatus, verdictOn } from "./status.ts";
import { NEVER, PATH_TIMINGS } from "./timings.ts";
import { type WantContext, Wants } from "./wants.ts";
import { ASLEEP } from "./words.ts";

export type { PathAction, PathEvent } from "./events.ts";
export type { PeerPathsStatus } from "./status.ts";

export interface PeerPathsOptions {
  /** When the two ends keep to different paths, the other one follows us. Exactly one end of a pair leads. */
  readonly leads: boolean;
  readonly counters: PathCounters;
  /** 0–1: spreads over time what many idle peers do. */
  readonly jitter?: number;
}

type Of<Type extends PathEvent["type"]> = Extract<PathEvent, { readonly type: Type }>;

const MAX_DECISIONS = 16;

/**
 * Chooses the path to one peer: probes all there are, tells which one carries the messages and when a second one should
 * carry them too, and why. Both ends run one of these. Call it with `tick` when `nextDeadlineMs()` has come, and when data
 * flows again after a pause; ask for the deadline again after every call.
 */
export class PeerPaths {
  readonly #options: Required<PeerPathsOptions>;
  readonly #paths = new Map<number, Path>();
  readonly #agreement: Agreement;
  readonly #selection: Selection;
  readonly #attempts = new AttemptLog();
  readonly #wants = new Wants();
  #preference = Preference.byDefault;
  #decisions: readonly (Change & { readonly atMs: number })[] = [];
  #sessionSinceMs: number | undefined;
  #activity: Activity = "idle";
  #askedForMs = -NEVER;
  #sequence = 0;
  #used: { readonly primary: Path | null; readonly second: Path | null } = { primary: null, second: null };
  #nowMs = 0;
  #deadlineMs = NEVER;

  constructor(options: PeerPathsOptions) {
    this.#options = { jitter: 0.5, ...options };
    this.#agreement = new Agreement(options.leads);
    this.#selection = new Selection(this.#agreement);
  }

  /** Takes what happened; answers what is to be done, in this order. */
  handle(event: PathEvent, nowMs: number): PathAction[] {
    this.#nowMs = nowMs;
    if (nowMs - this.#deadlineMs > PATH_TIMINGS.stallMs) for (const path of this.#paths.values()) path.excuse(nowMs);
    const actions: PathAction[] = [];
    this.#apply(event, actions);
    this.#reviewActivity(event.type === "active");
    const ranking = this.#ranking();
    const paths = Array.from(this.#paths.values()).filter((path) => ranking.isEligible(path));
    const isUp = this.#sessionSinceMs !== undefined;
    if (isUp) this.#decide(paths, ranking, actions);
    const want = this.#wantContext(ranking);
    for (const transport of this.#wants.take(want)) {
      if (transport === "udp") this.#punch();
      actions.push({ type: "want", transport });
    }
    let deadlineMs = this.#wants.deadlineMs(want);
    if (isUp) {
      const { leads, jitter } = this.#options;
      const context = { selection: this.#selection, ranking, activity: this.#activity, leads, jitter };
      this.#probe(paths, context, actions);
      for (const path of paths) deadlineMs = Math.min(deadlineMs, nextProbeMs(path, context));
      deadlineMs = Math.min(deadlineMs, this.#selection.deadlineMs(paths, ranking));
      if (this.#activity === "asleep") deadlineMs = this.#asleepReviewAtMs;
    }
    if (nowMs >= this.#attempts.endsAtMs) this.#attempts.close(this.#verdict, nowMs);
    this.#deadlineMs = Math.max(Math.min(deadlineMs, this.#attempts.endsAtMs), nowMs + 1);
    return actions;
  }

  /** Infinity for never. */
  nextDeadlineMs(): number {
    return this.#deadlineMs;
  }

  /** There is a session, and a path in use that answers. */
  get isReliable(): boolean {
    return this.#selection.primary?.isProven === true;
  }

  isInUse(id: number): boolean {
    const path = this.#paths.get(id);
    return path !== undefined && this.#selection.isInUse(path);
  }

  /** The paths by which a message of ours may arrive: those in use, and pipes. */
  get carriers(): readonly number[] {
    const ranking = this.#ranking();
    const isCarrier = (path: Path) => path.transport !== "udp" || this.#selection.isInUse(path);
    const paths = Array.from(this.#paths.values()).filter((path) => ranking.isEligible(path) && isCarrier(path));
    return paths.map(({ id }) => id);
  }

  status(): PeerPathsStatus {
    const ranking = this.#ranking();
    const { primary, second, sinceMs, reason, whySecond } = this.#selection;
    return {
      primary: primary?.id ?? null,
      second: second?.id ?? null,
      isWorking: primary !== null && (primary.isProven || ranking.isHeard(primary)),
      sinceMs,
      reason,
      whySecond,
      theirPrimary: this.#agreement.theirs?.id ?? null,
      paths: Array.from(this.#paths.values(), (path) => describePath(path, this.#selection, ranking)),
      decisions: this.#decisions.map(({ from, to, ...rest }) => ({
        ...rest,
        from: from?.id ?? null,
        to: to?.id ?? null,
      })),
      attempts: this.#attempts.list(this.#verdict),
    };
  }

  #apply(event: PathEvent, actions: PathAction[]): void {
    switch (event.type) {
      case "candidates":
        this.#setCandidates(event.candidates);
        break;
      case "open":
        this.#paths.get(event.id)?.setOpen(event.isOpen, this.#nowMs);
        break;
      case "session":
        if (event.isUp) this.#sessionUp();
        else this.#sessionDown(actions);
        break;
      case "heard":
        this.#heard(this.#paths.get(event.id));
        break;
      case "reply":
        this.#replied(event);
        break;
      case "request":
        this.#requested(event);
        break;
      case "capacity":
        this.#paths.get(event.id)?.resize(event.isNarrow);
        break;
      case "preference":
        this.#preference = new Preference(event.order, event.excluded, event.preferred);
        this.#agreement.release();
        break;
      case "network-changed":
        this.#networkChanged();
        break;
      case "called":
        this.#punch();
        break;
      case "callable":
        this.#wants.punchSoon();
        break;
      case "active":
      case "tick":
        break;
    }
  }

  #setCandidates(candidates: readonly PathCandidate[]): void {
    const known = new Map(this.#paths);
    this.#paths.clear();
    for (const candidate of candidates) {
      const { id, transport, label } = candidate;
      const former = known.get(id);
      if (former?.transport === transport && former.label === label) {
        this.#paths.set(id, former);
        known.delete(id);
        continue;
      }
      const path = new Path(candidate);
      this.#paths.set(id, path);
      this.#attempts.add(path);
    }
    for (const gone of known.values()) this.#agreement.forget(gone);
  }

  #sessionUp(): void {
    if (this.#sessionSinceMs !== undefined) return;
    const nowMs = this.#nowMs;
    this.#sessionSinceMs = nowMs;
    this.#attempts.start("a session is up", this.#paths.values(), this.#verdict, nowMs);
    for (const path of this.#paths.values()) {
      path.restart(nowMs);
      if (nowMs - path.lastHeardMs <= PATH_TIMINGS.heardMs) this.#attempts.heard(path, path.lastHeardMs);
    }
  }

  #sessionDown(actions: PathAction[]): void {
    this.#sessionSinceMs = undefined;
    this.#agreement.reset();
    this.#attempts.close(this.#verdict, this.#nowMs);
    this.#report(this.#selection.clear(this.#activity === "asleep" ? ASLEEP : "no session", this.#nowMs), actions);
    this.#reportUse(actions);
  }

  #heard(path: Path | undefined): void {
    if (path === undefined) return;
    path.lastHeardMs = this.#nowMs;
    this.#attempts.heard(path, this.#nowMs);
    if (!path.isProven) path.hurry(this.#nowMs, PATH_TIMINGS.heardProbeMs);
  }

  #replied({ id, sequence, rttMs, rxData, rxLarge, isTheirPrimary }: Of<"reply">): void {
    const path = this.#paths.get(id);
    if (path === undefined || this.#sessionSinceMs === undefined) return;
    const counts = rxData === undefined || rxLarge === undefined ? undefined : { rxData, rxLarge };
    if (!path.answered(sequence, rttMs, counts, this.#nowMs)) return;
    this.#attempts.answered(path, rttMs, this.#nowMs);
    if (isTheirPrimary !== undefined) this.#agreement.note(path, isTheirPrimary);
    const { primary, sinceMs } = this.#selection;
    if (path === primary) {
      const isLongUsed = this.#nowMs - sinceMs >= PATH_TIMINGS.holdMaxMs;
      const wasLossy = path.hold?.loss === "some" && path.loss.isGood;
      if (wasLossy || (isLongUsed && !path.isHeld(this.#nowMs))) path.forgetHolds();
    } else if (primary !== null) {
      path.nearerInRow = isNearerBy(path, primary) ? path.nearerInRow + 1 : 0;
    }
  }

  #requested({ id, isTheirPrimary }: Of<"request">): void {
    const path = this.#paths.get(id);
    if (path === undefined) return;
    path.lastRequestMs = this.#nowMs;
    this.#heard(path);
    this.#agreement.note(path, isTheirPrimary);
  }

  #networkChanged(): void {
    const nowMs = this.#nowMs;
    for (const path of this.#paths.values()) {
      path.forgive();
      path.restart(nowMs);
    }
    this.#wants.clear();
    this.#agreement.release();
    if (this.#sessionSinceMs === undefined) return;
    this.#selection.doubt("the network changed", PATH_TIMINGS.provenReplies);
    this.#attempts.start("the network changed", this.#paths.values(), this.#verdict, nowMs);
  }

  #punch(): void {
    for (const path of this.#paths.values()) if (path.transport === "udp") path.punch();
  }

  #reviewActivity(isAskedFor: boolean): void {
    const { counters } = this.#options;
    const nowMs = this.#nowMs;
    if (isAskedFor) this.#askedForMs = nowMs;
    const dataMs = Math.max(counters.lastDataSentMs() || -NEVER, counters.lastDataReceivedMs() || -NEVER);
    const activity = this.#activityAfter(nowMs - Math.max(dataMs, this.#askedForMs));
    const { primary } = this.#selection;
    const hasBegun = activity === "active" && this.#activity !== "active";
    if (hasBegun && primary !== null && nowMs - primary.lastHeardMs > PATH_TIMINGS.staleMs) {
      this.#selection.doubt("the path in use was idle for a while", 1);
    }
    this.#activity = activity;
  }

  #activityAfter(pauseMs: number): Activity {
    const { activeMs, warmMs, asleepMs } = PATH_TIMINGS;
    if (pauseMs <= activeMs) return "active";
    if (pauseMs <= warmMs) return "warm";
    const isTried = this.#sessionSinceMs !== undefined && this.#nowMs - this.#sessionSinceMs > asleepMs;
    return pauseMs > asleepMs && isTried && this.#canBeWoken ? "asleep" : "idle";
  }

  /** What else happens meanwhile, such as news of our own addresses every 25 s, puts it off no further. */
  get #asleepReviewAtMs(): number {
    const latestMs = this.#nowMs + PATH_TIMINGS.asleepReviewMs;
    return this.#deadlineMs > this.#nowMs ? Math.min(this.#deadlineMs, latestMs) : latestMs;
  }

  /** Traffic of either end reaches the other by what stands (a relay), whatever has become of the rest. */
  get #canBeWoken(): boolean {
    const ranking = this.#ranking();
    return Array.from(this.#paths.values()).some(
      (path) => setupOf(path.transport) === "standing" && path.isProven && ranking.isEligible(path),
    );
  }

  #decide(paths: readonly Path[], ranking: Ranking, actions: PathAction[]): void {
    const nowMs = this.#nowMs;
    for (const path of paths) if (nowMs >= path.deadAtMs) path.fallSilent();
    this.#agreement.update(this.#selection.primary, nowMs);
    if (paths.length === 0) {
      this.#report(this.#selection.clear("no path is open", nowMs), actions);
    } else {
      this.#report(this.#selection.decide(paths, ranking), actions);
    }
    this.#agreement.update(this.#selection.primary, nowMs);
    this.#reportUse(actions);
  }

  #report(change: Change | undefined, actions: PathAction[]): void {
    if (change === undefined) return;
    const { from, to, reason } = change;
    this.#decisions = [...this.#decisions, { ...change, atMs: this.#nowMs }].slice(-MAX_DECISIONS);
    for (const path of this.#paths.values()) path.nearerInRow = 0;
    // By another path the peer may be reached that was not before.
    this.#wants.punchSoon();
    actions.push({ type: "decided", from: from?.id ?? null, to: to?.id ?? null, reason });
  }

  #reportUse(actions: PathAction[]): void {
    const { primary, second } = this.#selection;
    if (primary === this.#used.primary && second === this.#used.second) return;
    this.#used = { primary, second };
    actions.push({ type: "use", primary: primary?.id ?? null, second: second?.id ?? null });
  }

  #probe(paths: readonly Path[], context: ProbeContext, actions: PathAction[]): void {
    const nowMs = this.#nowMs;
    const { counters } = this.#options;
    for (const path of paths) {
      if (nowMs < nextProbeMs(path, context)) continue;
      this.#sequence = (this.#sequence + 1) >>> 0;
      const { id } = path;
      const sequence = this.#sequence;
      path.probed({ sequence, sentMs: nowMs, txData: counters.txData(id), txLarge: counters.txLarge(id) });
      this.#attempts.probed(path, nowMs);
      actions.push({ type: "probe", id, sequence, isPrimary: path === this.#selection.primary });
    }
  }

  #wantContext(ranking: Ranking): WantContext {
    return {
      activity: this.#activity,
      sessionSinceMs: this.#sessionSinceMs,
      paths: Array.from(this.#paths.values()),
      selection: this.#selection,
      ranking,
    };
  }

  #ranking(): Ranking {
    return new Ranking(this.#preference, this.#options.counters, this.#nowMs);
  }

  readonly #verdict = (path: Path, probes: number) => verdictOn(path, probes, this.#selection, this.#ranking());
}
