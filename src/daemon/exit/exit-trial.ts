import { isDeepStrictEqual } from "node:util";
import { MeshError } from "../../base/errors.ts";
import type { ExitTrial, NetworkState } from "../networks/network-state.ts";

/** setTimeout takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * An exit that has to be confirmed: until when, and what holds again if nobody does. Kept on disk, so that a daemon that
 * starts later finds it.
 */
export class ExitTrials implements Disposable {
  readonly #file: NetworkState["exitTrial"];
  readonly #onOver: () => void;
  #trial: ExitTrial | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(file: NetworkState["exitTrial"], onOver: () => void) {
    this.#file = file;
    this.#onOver = onOver;
  }

  /**
   * @param exitNodes those that are set
   * @param onOver time is up: `due` says what holds again
   */
  static async open(
    file: NetworkState["exitTrial"],
    exitNodes: readonly string[],
    onOver: () => void,
  ): Promise<ExitTrials> {
    const trials = new ExitTrials(file, onOver);
    const trial = await file.read();
    if (trial?.of?.some((nodes) => isDeepStrictEqual(nodes, exitNodes)) === false) await file.remove();
    else trials.#trial = trial;
    trials.#arm();
    return trials;
  }

  get confirmBy(): string | null {
    return this.#trial?.until ?? null;
  }

  /** What was before stays that of a trial which runs already: nobody has confirmed what came since. */
  async begin(wanted: ExitTrial["before"], before: ExitTrial["before"], forMs: number): Promise<void> {
    const until = new Date(Date.now() + forMs).toISOString();
    const of = [before.exitNodes, wanted.exitNodes];
    const trial: ExitTrial = { version: 1, until, of, before: this.#trial?.before ?? before };
    await this.#file.write(trial);
    this.#trial = trial;
    this.#arm();
  }

  /** Confirmed, or given up for something else. */
  async end(): Promise<void> {
    await this.#file.remove();
    this.#trial = undefined;
    this.#arm();
  }

  /** @throws MeshError `exit-not-on-trial` */
  async confirm(): Promise<void> {
    if (this.#trial === undefined) throw new MeshError("exit-not-on-trial", "there is no exit to confirm");
    await this.end();
  }

  /** What holds again, where time is up. */
  get due(): ExitTrial["before"] | undefined {
    return this.#trial !== undefined && Date.parse(this.#trial.until) <= Date.now() ? this.#trial.before : undefined;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#trial === undefined) return;
    const leftMs = Date.parse(this.#trial.until) - Date.now();
    // A clock that was set back meanwhile leaves it for another round.
    const look = () => (this.due === undefined ? this.#arm() : this.#onOver());
    this.#timer = setTimeout(look, Math.min(Math.max(leftMs, 0), MAX_TIMER_MS)).unref();
  }
}
