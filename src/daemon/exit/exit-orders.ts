import { type ExitUseRequest, exitUseRequestSchema } from "../../api/local-exit.ts";
import { asMeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { NetworkState, Settings } from "../networks/network-state.ts";
import { ExitTrials } from "./exit-trial.ts";

type ExitChoices = Pick<Settings, "exitNodes" | "exitAllowLan">;

export interface ExitOrdersDeps {
  readonly logger: Logger;
  readonly settings: () => Settings;
  /** In force where traffic goes, and on disk. @throws MeshError what was before still is then */
  readonly changeSettings: (changes: ExitChoices) => Promise<unknown>;
  /** One change of the daemon after the other. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Which exit this machine is told to use, also on trial: a setting like others, which may go back by itself. */
export class ExitOrders implements Disposable {
  readonly #deps: ExitOrdersDeps;
  readonly #trials: ExitTrials;

  private constructor(deps: ExitOrdersDeps, trials: ExitTrials) {
    this.#deps = deps;
    this.#trials = trials;
  }

  /** A trial that ended while no daemon ran is over before the session starts. */
  static async open(file: NetworkState["exitTrial"], deps: ExitOrdersDeps): Promise<ExitOrders> {
    const trials = await ExitTrials.open(file, deps.settings().exitNodes, () => {
      deps
        .inTurn(() => orders.#endTrial())
        .catch((failure: unknown) => {
          deps.logger.error({ err: asMeshError(failure) }, "an exit that nobody has confirmed cannot be left");
        });
    });
    const orders = new ExitOrders(deps, trials);
    await orders.#endTrial();
    return orders;
  }

  /** Until when the exit has to be confirmed; null where it has not. */
  get confirmBy(): string | null {
    return this.#trials.confirmBy;
  }

  /** @throws MeshError as `changeSettings`; what was in force before still is */
  async use(request: ExitUseRequest): Promise<void> {
    const { nodes, allowLan, confirmWithinSeconds } = exitUseRequestSchema.parse(request);
    const { exitNodes, exitAllowLan } = this.#deps.settings();
    const before = { exitNodes, exitAllowLan };
    const wanted = { exitNodes: nodes, exitAllowLan: allowLan ?? exitAllowLan };
    const isTrial = this.confirmBy !== null;
    // Before it is in force: whatever ends us, it is a trial.
    if (confirmWithinSeconds !== null) await this.#trials.begin(wanted, before, confirmWithinSeconds * 1000);
    try {
      await this.#deps.changeSettings(wanted);
    } catch (failure) {
      if (!isTrial) await this.#trials.end();
      throw failure;
    }
    if (confirmWithinSeconds === null) await this.#trials.end();
  }

  /** The exit was asked for otherwise: that is no trial. */
  settle(): Promise<void> {
    return this.#trials.end();
  }

  /** @throws MeshError `exit-not-on-trial` */
  confirm(): Promise<void> {
    return this.#trials.confirm();
  }

  [Symbol.dispose](): void {
    this.#trials[Symbol.dispose]();
  }

  async #endTrial(): Promise<void> {
    const before = this.#trials.due;
    if (before === undefined) return;
    this.#deps.logger.warn({ exit: before.exitNodes }, "nobody has confirmed the exit: back to what was before");
    await this.#deps.changeSettings(before);
    await this.#trials.end();
  }
}
