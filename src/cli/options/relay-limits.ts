import type { RelayRates } from "../../api/listening-config.ts";
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from "../../relay/limits.ts";

const BYTES_PER_MBIT = 125_000;

/** Rates as a person sets them; bursts keep the proportion of the defaults. */
export function relayLimits(rates: RelayRates): Partial<RelayLimits> {
  const { mbitPerSecond, datagramsPerSecond } = rates ?? {};
  const defaults = DEFAULT_RELAY_LIMITS;
  const bytesPerSecond = mbitPerSecond === undefined ? defaults.bytesPerSecond : mbitPerSecond * BYTES_PER_MBIT;
  const framesPerSecond = datagramsPerSecond ?? defaults.framesPerSecond;
  return {
    bytesPerSecond,
    burstBytes: (bytesPerSecond * defaults.burstBytes) / defaults.bytesPerSecond,
    framesPerSecond,
    burstFrames: (framesPerSecond * defaults.burstFrames) / defaults.framesPerSecond,
  };
}
