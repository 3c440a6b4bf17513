import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import type { Registry } from "../registry.ts";
import type { Store } from "../store/store.ts";
import { deleteRules } from "./rule-records.ts";

interface RuleExpiryDeps {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Looks that often at least: a clock may be set, and a machine may sleep. */
  readonly intervalMs: number;
}

/** Takes the network's filter rules out when their time is over. Peers know the time as well, and need nobody for it. */
export class RuleExpiry {
  readonly #deps: RuleExpiryDeps;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(deps: RuleExpiryDeps) {
    this.#deps = deps;
    deps.registry.onFilterRules = () => this.#schedule();
    this.#schedule();
  }

  /** Nothing is removed any more once this is done. */
  async close(): Promise<void> {
    this.#deps.registry.onFilterRules = () => {};
    clearTimeout(this.#timer);
    await this.#looking;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    const { registry, clock, intervalMs } = this.#deps;
    clearTimeout(this.#timer);
    const nextMs = Math.min(...registry.filterRules.map(({ expiresAtMs }) => expiresAtMs ?? Number.POSITIVE_INFINITY));
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.min(Math.max(0, nextMs - clock.wallMs()), intervalMs);
    this.#timer = setTimeout(() => this.#lookInTurn(), waitMs);
  }

  #lookInTurn(): void {
    this.#looking = this.#look()
      .catch((error: unknown) => this.#deps.logger.error({ error }, "expired filter rules were not removed"))
      .finally(() => this.#schedule());
  }

  #look(): Promise<void> {
    const { store, registry, clock } = this.#deps;
    return store.write(async (writer) => {
      const nowMs = clock.wallMs();
      const rows = await writer.db.selectFrom("filter_rules").selectAll().where("expires_at", "<=", nowMs).execute();
      await deleteRules(writer, rows, "filter.expire", { registry, actor: "coordinator", nowMs });
    });
  }
}
