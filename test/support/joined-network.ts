import { mkdirSync } from "node:fs";
import { loadOrCreateKeys } from "../../src/daemon/membership/identity.ts";
import { type Home, networkPaths } from "../../src/daemon/networks/home.ts";
import {
  DEFAULT_SETTINGS,
  type Enrolment,
  NetworkState,
  type Settings,
} from "../../src/daemon/networks/network-state.ts";
import { networkMap } from "./network-map.ts";

/** 10.N.0.0/16 and fdN::/48. */
export function enrolmentIn(network: string, number: number): Enrolment {
  const { self, network: info } = networkMap([]);
  const ranges = { cidr4: `10.${number}.0.0/16`, cidr6: `fd${number}::/48` };
  return {
    version: 1,
    urls: [`https://coordinator.${network}.example:8443`],
    trust: { kind: "system" },
    network: { ...info, ...ranges, name: network, domain: network },
    self: { ...self, ip4: `10.${number}.0.1`, ip6: `fd${number}::1` },
    registeredAt: "2026-01-01T00:00:00.000Z",
  };
}

/** The state that a daemon of this network left. */
export async function leaveState(home: Home, network: string, number: number, settings: Partial<Settings> = {}) {
  const { directory } = networkPaths(home, network);
  mkdirSync(directory, { recursive: true });
  await loadOrCreateKeys(directory);
  const state = new NetworkState(directory);
  await state.enrolment.write(enrolmentIn(network, number));
  await state.settings.write({ ...DEFAULT_SETTINGS, ...settings, given: {} });
}
