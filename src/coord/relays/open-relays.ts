import type { Clock } from "../../base/clock.ts";
import type { DisposeStack } from "../../base/dispose.ts";
import type { Authority } from "../certificates/ca.ts";
import type { CoordinatorLimits } from "../limits.ts";
import type { Registry } from "../registry.ts";
import type { Store } from "../store/store.ts";
import { RelayRegistry } from "./relay-registry.ts";

export interface OpenRelaysDeps {
  readonly store: Store;
  readonly registry: Registry;
  readonly authority: Authority;
  /** Whether the coordinator relays as well. */
  readonly hasOwn: boolean;
  readonly limits: CoordinatorLimits;
  readonly clock: Clock;
}

/** The stand-alone relays of the database; the peers' registry follows them from here on. */
export async function openRelays(deps: OpenRelaysDeps, resources: DisposeStack): Promise<RelayRegistry> {
  const { store, registry, authority, hasOwn, limits, clock } = deps;
  const rows = await store.reader.selectFrom("relays").selectAll().execute();
  const options = { caPem: authority.certificatePem, hasOwn, awayMs: limits.relayAwayMs };
  const relays = new RelayRegistry(rows, options, clock.monotonicMs());
  const follow = () => registry.setRelays(relays.infos(), relays.choice(clock.monotonicMs()));
  relays.onChange = follow;
  follow();
  const timer = setInterval(() => relays.review(clock.monotonicMs()), limits.upkeepIntervalMs);
  resources.defer(() => clearInterval(timer));
  return relays;
}
