import { BoundedRing } from "../../base/ring.ts";

const MAX_LINES = 1000;
const MAX_LINE_LENGTH = 4096;

/** The latest lines of the log, each a JSON object as text, for who asks the daemon for them. */
export class LogRing {
  readonly #lines = new BoundedRing<string>(MAX_LINES);
  readonly #followers = new Set<(line: string) => void>();

  push(line: string): void {
    // Cut, it is JSON no more: what it says is kept as the message.
    const kept = line.length <= MAX_LINE_LENGTH ? line : JSON.stringify({ msg: `${line.slice(0, MAX_LINE_LENGTH)}…` });
    this.#lines.push(kept);
    for (const follower of this.#followers) follower(kept);
  }

  /** The last `count` of those that are wanted, oldest first. */
  latest(count: number, isWanted: (line: string) => boolean): string[] {
    const wanted = this.#lines.toArray().filter(isWanted);
    return wanted.slice(Math.max(0, wanted.length - count));
  }

  /** Calls `follower` with every line to come; returns what ends that. */
  follow(follower: (line: string) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}
