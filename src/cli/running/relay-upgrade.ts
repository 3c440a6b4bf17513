import type { RelayRates } from "../../api/listening-config.ts";
import { COORDINATOR_RELAY_ID, RELAY_PATH } from "../../api/relay.ts";
import { systemClock } from "../../base/clock.ts";
import { type Logger, loggerOf } from "../../base/logger.ts";
import type { CoordinatorDeps } from "../../coord/options.ts";
import { Relay } from "../../relay/relay.ts";
import { relayLimits } from "../options/relay-limits.ts";

/** The relay inside the coordinator. */
export function relayUpgrade(rates: RelayRates, logger: Logger): NonNullable<CoordinatorDeps["upgrades"]> {
  const limits = relayLimits(rates);
  return {
    [RELAY_PATH]: ({ networkId, policy }) =>
      new Relay(
        { networkId, relayId: COORDINATOR_RELAY_ID, limits },
        { policy, clock: systemClock, logger: loggerOf("relay", logger) },
      ),
  };
}
