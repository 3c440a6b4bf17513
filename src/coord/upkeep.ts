import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { releaseAddresses } from "./addresses/allocation.ts";
import { sweepTokens } from "./joining/tokens.ts";
import type { CoordinatorLimits } from "./limits.ts";
import type { Registry } from "./registry.ts";
import type { Store } from "./store/store.ts";

/** Map versions set aside at once; far more than come about between two runs of the upkeep. */
const VERSION_BLOCK = 2 ** 24;
const SPARE_STARTS = 1024;

/**
 * Sets aside map versions that no earlier run can have handed out, and returns the first of them. Versions are counted
 * in memory, since most changes (presence) are not worth a write; only the end of the block is on the disk.
 */
export function reserveMapVersions(store: Store): Promise<number> {
  return store.write(async ({ db }) => {
    const { map_version_ceiling: first } = await db
      .selectFrom("network")
      .select("map_version_ceiling")
      .executeTakeFirstOrThrow();
    await db
      .updateTable("network")
      .set({ map_version_ceiling: first + VERSION_BLOCK })
      .execute();
    return first;
  });
}

/**
 * The map version from which a restored coordinator may count: above all that were handed out since the backup. Every start
 * sets a block aside, and nobody starts a coordinator more often than every ten seconds for long. Later restores of one
 * backup begin higher, so that versions of the first are never seen again either.
 */
export function versionCeilingAfterRestore(ceiling: number, backupAtMs: number, nowMs: number): number {
  const starts = SPARE_STARTS + Math.ceil(Math.max(0, nowMs - backupAtMs) / 10_000);
  return ceiling + starts * VERSION_BLOCK;
}

/** What has to be done now and then: late writes, addresses that fall free, more map versions. */
export class Upkeep {
  #store: Store;
  #registry: Registry;
  #clock: Clock;
  #logger: Logger;
  #limits: CoordinatorLimits;
  #timer: NodeJS.Timeout;
  #blockEnd: number;

  constructor(store: Store, registry: Registry, clock: Clock, logger: Logger, limits: CoordinatorLimits) {
    this.#store = store;
    this.#registry = registry;
    this.#clock = clock;
    this.#logger = logger;
    this.#limits = limits;
    this.#blockEnd = registry.version + VERSION_BLOCK;
    this.#timer = setInterval(() => {
      this.run().catch((error: unknown) => logger.error({ error }, "upkeep failed"));
    }, limits.upkeepIntervalMs);
  }

  async run(): Promise<void> {
    await this.saveSightings();
    await this.#store.write(async (writer) => {
      const nowMs = this.#clock.wallMs();
      await releaseAddresses(writer, nowMs);
      await sweepTokens(writer, nowMs, this.#limits.deadTokenKeptMs);
    });
    if (this.#blockEnd - this.#registry.version < VERSION_BLOCK / 2) {
      this.#blockEnd = (await reserveMapVersions(this.#store)) + VERSION_BLOCK;
    }
  }

  /** Writes endpoints, offers and last-seen times. They are no acknowledged writes: peers tell them again when they reconnect. */
  async saveSightings(): Promise<void> {
    const peers = this.#registry.takeUnsaved();
    if (peers.length === 0) return;
    await this.#store.write(async ({ db }) => {
      for (const { id, endpoints, exitFamilies, advertisedRoutes, lastSeenAtMs } of peers) {
        await db
          .updateTable("peers")
          .set({
            endpoints: JSON.stringify(endpoints),
            exit_families: JSON.stringify(exitFamilies),
            advertised_routes: JSON.stringify(advertisedRoutes),
            last_seen_at: lastSeenAtMs,
          })
          .where("id", "=", id)
          .execute();
      }
    });
    this.#logger.debug({ peers: peers.length }, "saved endpoints and last-seen times");
  }

  /** Ends it with everything on the disk. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.saveSightings();
  }
}
