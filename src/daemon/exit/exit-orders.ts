import { type ExitUseRequest, exitUseRequestSchema } from "../../api/local-exit.ts";
import { asMeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { NetworkState, Settings } from "../network-state.ts";
import { ExitTrials } from "./exit-trial.ts";
import type { ExitUse, ExitUseSettings } from "./exit-use.ts";

/** What an order needs of a running session. */
export interface ExitSession {
  readonly exitUse: Pick<ExitUse, "change">;
  /** @throws MeshError see `requireExits` of `exit-nodes.ts` */
  requireExits(nodes: readonly string[]): void;
}

export interface ExitOrdersDeps {
  readonly logger: Logger;
  readonly settings: () => Settings;
  readonly changeSettings: (changes: ExitUseSettings) => Promise<void>;
  /** Undefined while the traffic is stopped. */
  readonly session: () => ExitSession | undefined;
  /** One change of the daemon after the other. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Which exit this machine is told to use, also on trial: kept on disk, and carried out by the session that runs. */
export class ExitOrders implements Disposable {
  readonly #deps: ExitOrdersDeps;
  readonly #trials: ExitTrials;

  private constructor(deps: ExitOrdersDeps, trials: ExitTrials) {
    this.#deps = deps;
    this.#trials = trials;
  }

  /** A trial that ended while no daemon ran is over before the session starts. */
  static async open(file: NetworkState["exitTrial"], deps: ExitOrdersDeps): Promise<ExitOrders> {
    const trials = await ExitTrials.open(file, () => {
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

  /** @throws MeshError see `requireExits` and `ExitUse.change`; what was in force before still is */
  async use(request: ExitUseRequest, session: ExitSession): Promise<void> {
    const { nodes, allowLan, confirmWithinSeconds } = exitUseRequestSchema.parse(request);
    const before = this.#inForce();
    session.requireExits(nodes);
    if (confirmWithinSeconds === null) await this.#trials.end();
    else await this.#trials.begin(before, confirmWithinSeconds * 1000);
    await this.#change(session, before, { exitNodes: nodes, exitAllowLan: allowLan ?? before.exitAllowLan });
  }

  /** @throws MeshError `exit-not-on-trial` */
  confirm(): Promise<void> {
    return this.#trials.confirm();
  }

  [Symbol.dispose](): void {
    this.#trials[Symbol.dispose]();
  }

  #inForce(): ExitUseSettings {
    const { exitNodes, exitAllowLan } = this.#deps.settings();
    return { exitNodes, exitAllowLan };
  }

  /** An exit is on the disk before it is in force, and no exit after: whatever ends us, the next start keeps traffic in. */
  async #change(session: ExitSession, before: ExitUseSettings, wanted: ExitUseSettings): Promise<void> {
    const isOff = wanted.exitNodes.length === 0;
    if (!isOff) await this.#deps.changeSettings(wanted);
    try {
      await session.exitUse.change(wanted);
    } catch (failure) {
      if (!isOff) await this.#deps.changeSettings(before);
      throw failure;
    }
    if (isOff) await this.#deps.changeSettings(wanted);
  }

  async #endTrial(): Promise<void> {
    const before = this.#trials.due;
    if (before === undefined) return;
    this.#deps.logger.warn({ exit: before.exitNodes }, "nobody has confirmed the exit: back to what was before");
    const session = this.#deps.session();
    if (session === undefined) await this.#deps.changeSettings(before);
    else await this.#change(session, this.#inForce(), before);
    await this.#trials.end();
  }
}
