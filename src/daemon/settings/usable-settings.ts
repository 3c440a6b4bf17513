import { MeshError } from "../../base/errors.ts";
import { advertisableRoute } from "../../exit/advertised-route.ts";
import { IpRoute } from "../../host/ip-route.ts";
import { requireFreeInterface, requireGroup } from "../../host/preflight.ts";
import { requireUsableJump } from "../../transports/ssh/jump-host.ts";
import { requireFreePort } from "../free-port.ts";
import type { Settings } from "../networks/network-state.ts";

export interface SettingsSite {
  /** What this machine has in use already; undefined before a start. */
  readonly inUse: Settings | undefined;
  /** Of the mesh, as far as they are known. */
  readonly ranges: readonly string[];
  /** Undefined before a first join without one. */
  readonly ownName: string | undefined;
}

/**
 * What of settings can be known to fail, before anything is done.
 * @throws MeshError `interface-taken`, `port-in-use`, `route-overlap`, `default-route-advertised`, `exit-is-self`,
 *   `exit-needs-mark`, `bad-usage` and others for a jump host
 */
export async function requireUsableSettings(
  settings: Settings,
  { inUse, ranges, ownName }: SettingsSite,
): Promise<void> {
  const { exitNodes, fwmark, sshJump, transports } = settings;
  if (settings.interface !== inUse?.interface) await requireFreeInterface(settings.interface, new IpRoute());
  if (settings.listenPort !== inUse?.listenPort) await requireFreePort(settings.listenPort);
  for (const route of settings.advertiseRoutes) advertisableRoute(route, ranges);
  requireOtherExits(settings, ownName);
  if (exitNodes.length > 0 && fwmark === 0) {
    throw new MeshError("exit-needs-mark", "an exit needs the firewall mark, which is switched off (--fwmark off)");
  }
  const { localGroup } = settings;
  if (inUse !== undefined && localGroup !== null && localGroup !== inUse.localGroup) requireGroup(localGroup);
  if (sshJump !== null && transports.includes("ssh")) requireUsableJump(sshJump);
}

/** @throws MeshError `exit-is-self` */
export function requireOtherExits({ exitNodes }: Pick<Settings, "exitNodes">, ownName: string | undefined): void {
  if (ownName === undefined || !exitNodes.includes(ownName)) return;
  throw new MeshError("exit-is-self", `${ownName} is this machine itself`);
}
