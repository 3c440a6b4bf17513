import type { Path } from "./path.ts";
import { NEVER, PATH_TIMINGS } from "./timings.ts";

/**
 * Keeps the two ends on one path. Each says with its probes by which path it sends; when the two differ for a while, one
 * follows the other: the end that does not lead at once, the leader when that has not helped (the other end may know
 * something against the leader's path), one whose user asked for a transport last, and a leader with such a user never.
 * Where each keeps to a path that the other cannot send by, both take a third one.
 */
export class Agreement {
  readonly #leads: boolean;
  #theirs: Path | null = null;
  #ours: Path | null = null;
  #differSinceMs = NEVER;
  #followed: Path | null = null;

  constructor(leads: boolean) {
    this.#leads = leads;
  }

  get theirs(): Path | null {
    return this.#theirs;
  }

  /** The peer told by this path whether it sends by it. */
  note(path: Path, isTheirPrimary: boolean): void {
    if (isTheirPrimary) {
      this.#theirs = path;
      path.usedByPeer();
    } else if (this.#theirs === path) this.#theirs = null;
    if (this.#followed !== null && this.#theirs !== null && this.#theirs !== this.#followed) this.#followed = null;
  }

  /** What we send by now. */
  update(ours: Path | null, nowMs: number): void {
    const isSame = this.#ours === ours;
    this.#ours = ours;
    if (ours === null || this.#theirs === null || ours === this.#theirs) this.#differSinceMs = NEVER;
    else if (!isSame || this.#differSinceMs === NEVER) this.#differSinceMs = nowMs;
  }

  /** When it is time to follow. */
  dueMs(hasPreference: boolean): number {
    const { followMs, leaderFollowsMs, preferringFollowsMs } = PATH_TIMINGS;
    if (!hasPreference) return this.#differSinceMs + (this.#leads ? leaderFollowsMs : followMs);
    return this.#leads ? NEVER : this.#differSinceMs + preferringFollowsMs;
  }

  /** When the ends have differed for so long that neither can follow. */
  get apartAtMs(): number {
    return this.#differSinceMs + PATH_TIMINGS.apartMs;
  }

  follow(path: Path): void {
    this.#followed = path;
  }

  /** We are on this path because the peer is: our own ranking waits. */
  isFollowing(path: Path): boolean {
    return this.#followed === path && this.#theirs === path;
  }

  /** Our own ranking rules again. */
  release(): void {
    this.#followed = null;
  }

  /** Nothing is known of the other end. */
  reset(): void {
    this.#theirs = null;
    this.#followed = null;
    this.#differSinceMs = NEVER;
  }

  forget(path: Path): void {
    if (this.#theirs === path) this.#theirs = null;
    if (this.#followed === path) this.#followed = null;
  }
}
