import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Peer } from "../registry.ts";
import type { Store } from "../store/store.ts";
import { type RemovalDeps, removePeer } from "./removal.ts";

interface EphemeralPeersDeps extends RemovalDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a peer may be away. */
  readonly absenceMs: number;
  readonly intervalMs: number;
}

interface Absence {
  /** The peer's last sighting when the absence was noticed: another one since begins a new absence. */
  readonly lastSeenAtMs: number | null;
  /** `Clock.monotonicMs` of when it was noticed. */
  readonly sinceMs: number;
}

/**
 * Removes peers that joined with an ephemeral token once they have been away for `absenceMs`.
 *
 * An absence begins with the first look at which the peer is not connected: after it went offline or registered, and after
 * the start of this coordinator, whatever time the disk has, so that a start gives everybody as long again to come back.
 * It is counted on the monotonic clock: a wall clock that is set right after the boot must not make everybody late.
 *
 * A disabled peer stays: its entry is what keeps its machine out.
 */
export class EphemeralPeers {
  #deps: EphemeralPeersDeps;
  #absences: ReadonlyMap<number, Absence> = new Map();
  #timer: NodeJS.Timeout;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(deps: EphemeralPeersDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => this.#lookInTurn(), deps.intervalMs);
  }

  /** Nothing is removed any more once this is done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** Looks once. One transaction for each peer: many that go at once must not hold up everybody else's writes. */
  async look(): Promise<void> {
    for (const peer of this.#overdue()) {
      if (this.#isClosed) return;
      await this.#remove(peer);
    }
  }

  #lookInTurn(): void {
    this.#looking = this.#looking
      .then(() => this.look())
      .catch((error: unknown) => this.#deps.logger.error({ error }, "ephemeral peers were not removed"));
  }

  #overdue(): readonly Peer[] {
    const { registry, clock, absenceMs } = this.#deps;
    const nowMs = clock.monotonicMs();
    const absences = new Map<number, Absence>();
    const overdue: Peer[] = [];
    for (const peer of registry.peers()) {
      if (!peer.ephemeral || !peer.enabled || peer.online) continue;
      const { id, lastSeenAtMs } = peer;
      const known = this.#absences.get(id);
      const absence = known?.lastSeenAtMs === lastSeenAtMs ? known : { lastSeenAtMs, sinceMs: nowMs };
      absences.set(id, absence);
      if (nowMs - absence.sinceMs >= absenceMs) overdue.push(peer);
    }
    this.#absences = absences;
    return overdue;
  }

  async #remove(peer: Peer): Promise<void> {
    const { store, registry, clock, logger } = this.#deps;
    const isRemoved = await store.write(async (writer) => {
      // Entries are immutable: another one means that something happened to the peer, such as its return.
      if (registry.byId(peer.id) !== peer) return false;
      const row = await writer.db.selectFrom("peers").selectAll().where("id", "=", peer.id).executeTakeFirstOrThrow();
      const why = new MeshError("not-registered", "this machine was away for too long and is no peer any more");
      await removePeer(writer, { row, actor: "coordinator", action: "peer.expire", why }, this.#deps, clock.wallMs());
      return true;
    });
    if (isRemoved) logger.info({ peer: peer.name, lastSeenAtMs: peer.lastSeenAtMs }, "ephemeral peer removed");
  }
}
