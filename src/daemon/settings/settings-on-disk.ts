import type { SettingsReply, SettingsView } from "../../api/local-settings.ts";
import { MeshError } from "../../base/errors.ts";
import { type Home, listNetworks, networkPaths } from "../networks/home.ts";
import { lockNetwork } from "../networks/network-lock.ts";
import { DEFAULT_SETTINGS, NetworkState, type StoredSettings } from "../networks/network-state.ts";
import { defaultsOf } from "./given-settings.ts";
import { changedSettings, commanded, viewSettings } from "./settings-keeper.ts";
import { requireUsableSettings } from "./usable-settings.ts";
import { keyOf, parseSettings } from "./written-settings.ts";

const UNTOUCHED: StoredSettings = { ...DEFAULT_SETTINGS, given: {} };

/** The settings of a network for which no daemon runs. @throws MeshError `needs-join`, `state-damaged` */
export async function readSettings(home: Home, network: string): Promise<SettingsView> {
  const { settings } = stateOf(home, network);
  return viewSettings((await settings.read()) ?? UNTOUCHED);
}

/**
 * As the daemon would, for its next start. All or nothing.
 * @throws MeshError `needs-join`, `already-running` where a daemon runs, and as `Daemon.set`
 */
export async function changeSettings(
  home: Home,
  network: string,
  written: Readonly<Record<string, unknown>>,
): Promise<SettingsReply> {
  const state = stateOf(home, network);
  await using _lock = await lockNetwork(networkPaths(home, network));
  const stored = (await state.settings.read()) ?? UNTOUCHED;
  const changes = parseSettings(written, defaultsOf(stored));
  const enrolment = await state.enrolment.read();
  const ranges = enrolment === undefined ? [] : [enrolment.network.cidr4, enrolment.network.cidr6];
  const next = commanded(changes, stored);
  // The next start looks at interface and port.
  const inUse = { ...stored, interface: next.interface, listenPort: next.listenPort };
  await requireUsableSettings(next, { inUse, ranges, ownName: enrolment?.self.name });
  await state.settings.write(next);
  if (changes.exitNodes !== undefined) await state.exitTrial.remove();
  return { changed: [...changedSettings(stored, next)].map(keyOf), rebuilt: false, ...viewSettings(next) };
}

function stateOf(home: Home, network: string): NetworkState {
  if (!listNetworks(home).includes(network)) {
    throw new MeshError("needs-join", `this machine has not joined a network called ${network}`);
  }
  return new NetworkState(networkPaths(home, network).directory);
}
