import { COORDINATOR_RELAY_ID, RELAY_PATH } from "../api/relay.ts";
import type { ServerConfig } from "../api/server-config.ts";
import { systemClock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { CoordinatorDeps } from "../coord/options.ts";
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from "../relay/limits.ts";
import { Relay } from "../relay/relay.ts";

const BYTES_PER_MBIT = 125_000;

/** The relay inside the coordinator. */
export function relayUpgrade(
  rates: ServerConfig["relayLimits"],
  logger: Logger,
): NonNullable<CoordinatorDeps["upgrades"]> {
  const limits = limitsOf(rates ?? {});
  return {
    [RELAY_PATH]: ({ networkId, policy }) =>
      new Relay({ networkId, relayId: COORDINATOR_RELAY_ID, limits }, { policy, clock: systemClock, logger }),
  };
}

/** Rates as a person sets them; bursts keep the proportion of the defaults. */
function limitsOf(rates: NonNullable<ServerConfig["relayLimits"]> | Record<string, never>): Partial<RelayLimits> {
  const defaults = DEFAULT_RELAY_LIMITS;
  const bytesPerSecond = (rates.mbitPerSecond ?? defaults.bytesPerSecond / BYTES_PER_MBIT) * BYTES_PER_MBIT;
  const framesPerSecond = rates.datagramsPerSecond ?? defaults.framesPerSecond;
  return {
    bytesPerSecond,
    burstBytes: (bytesPerSecond * defaults.burstBytes) / defaults.bytesPerSecond,
    framesPerSecond,
    burstFrames: (framesPerSecond * defaults.burstFrames) / defaults.framesPerSecond,
  };
}
