import type { SettingsReply, SettingsView } from "../api/local-settings.ts";
import { MeshError } from "../base/errors.ts";
import { type Home, resolveHome, selectNetwork } from "../daemon/networks/home.ts";
import { LocalClient } from "./clients/local-client.ts";
import type { GlobalOptions } from "./options/globals.ts";

/** Through the daemon where one runs, else on disk. @throws MeshError `needs-join` */
export function getSettings(options: GlobalOptions): Promise<SettingsView> {
  return either(
    options,
    (client) => client.settings(),
    async (home, network) => {
      const { readSettings } = await import("../daemon/settings/settings-on-disk.ts");
      return readSettings(home, network);
    },
  );
}

/** As `getSettings`. @throws MeshError as `Daemon.set` */
export function setSettings(options: GlobalOptions, settings: Record<string, unknown>): Promise<SettingsReply> {
  return either(
    options,
    (client) => client.setSettings({ settings }),
    async (home, network) => {
      const { changeSettings } = await import("../daemon/settings/settings-on-disk.ts");
      return changeSettings(home, network, settings);
    },
  );
}

async function either<T>(
  options: GlobalOptions,
  ask: (client: LocalClient) => Promise<T>,
  onDisk: (home: Home, network: string) => Promise<T>,
): Promise<T> {
  const home = resolveHome(options.home);
  const network = selectNetwork(home, options.network);
  if (network === undefined) throw new MeshError("needs-join", "this machine has joined no network");
  try {
    return await ask(new LocalClient(home, network));
  } catch (failure) {
    if (!(failure instanceof MeshError) || failure.code !== "no-daemon") throw failure;
  }
  return onDisk(home, network);
}
