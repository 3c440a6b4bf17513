import { AlreadyThereError, type IpRoute } from "../ip-route.ts";
import type { Nft } from "../nft.ts";
import type { Sysctls } from "../sysctl.ts";
import type { HostChange, InterfaceIdentity } from "./host-change.ts";

/** The parts of the host that changes are made to. */
export interface HostTools {
  readonly ipRoute: IpRoute;
  readonly nft: Nft;
  readonly sysctls: Sysctls;
}

/**
 * @param text of an `nft-table`: what stands between its braces
 * @throws MeshError `host-change-failed`, `missing-capability`, `missing-tool`; nothing has changed then
 */
export async function makeChange(change: HostChange, { ipRoute, nft, sysctls }: HostTools, text = ""): Promise<void> {
  switch (change.kind) {
    case "address":
      return ipRoute.addAddress(change.interface.name, change.address);
    case "route":
      return ipRoute.addRoute(change);
    case "rule":
      return ipRoute.addRule(change);
    case "nft-table":
      return nft.putTable(change.family, change.name, text);
    case "sysctl":
      return sysctls.write(change.key, change.after);
  }
}

/** Makes it again where somebody else has taken it away; a table of nftables, whose text is not known, stays as it is. */
export async function renewChange(change: HostChange, tools: HostTools): Promise<void> {
  if (change.kind === "nft-table") return;
  try {
    await makeChange(change, tools);
  } catch (failure) {
    if (!(failure instanceof AlreadyThereError)) throw failure;
  }
}

/** Takes it back; it may never have been made, or be gone already: both are success. */
export async function unmakeChange(change: HostChange, tools: HostTools): Promise<void> {
  const { ipRoute, nft, sysctls } = tools;
  switch (change.kind) {
    case "address":
      if (await isSameInterface(change.interface, ipRoute)) {
        await ipRoute.removeAddress(change.interface.name, change.address);
      }
      return;
    case "route":
      if (change.interface === null || (await isSameInterface(change.interface, ipRoute))) {
        await ipRoute.removeRoute(change);
      }
      return;
    case "rule":
      return ipRoute.removeRule(change);
    case "nft-table":
      return nft.deleteTable(change.family, change.name);
    case "sysctl":
      // Somebody who has changed it since is right.
      if ((await sysctls.read(change.key)) === change.after) await sysctls.write(change.key, change.before);
      return;
  }
}

async function isSameInterface({ name, index }: InterfaceIdentity, ipRoute: IpRoute): Promise<boolean> {
  return (await ipRoute.link(name))?.index === index;
}
