import type { FirewallRules } from "../firewall/firewall-rules.ts";
import type { HostFirewall } from "../firewall/host-firewall.ts";
import { AlreadyThereError, type IpRoute } from "../ip-route.ts";
import type { Nft } from "../nft.ts";
import type { Sysctls } from "../sysctl.ts";
import { makeFile, unmakeFile } from "./file-change.ts";
import type { HostChange, InterfaceIdentity } from "./host-change.ts";
import type { ResolverPrograms } from "./resolver-change.ts";

/** The parts of the host that changes are made to. */
export interface HostTools {
  readonly ipRoute: IpRoute;
  readonly nft: Nft;
  readonly sysctls: Sysctls;
  readonly firewallRules: FirewallRules;
  /** Read, never changed. */
  readonly firewall: HostFirewall;
  readonly resolvers: ResolverPrograms;
}

/**
 * @param text of an `nft-table`: what stands between its braces
 * @throws MeshError `host-change-failed`, `missing-capability`, `missing-tool`; nothing has changed then
 */
export async function makeChange(change: HostChange, tools: HostTools, text = ""): Promise<void> {
  const { ipRoute, nft, sysctls, firewallRules, resolvers } = tools;
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
    case "firewall-rule":
      return firewallRules.insert(change);
    case "file":
      return makeFile(change);
    case "resolved-link":
      return resolvers.setLink(change);
    case "resolvconf-record":
      return resolvers.addRecord(change);
  }
}

/** Makes it again where somebody else has taken it away; a table of nftables, whose text is not known, stays as it is. */
export async function renewChange(change: HostChange, tools: HostTools): Promise<void> {
  if (change.kind === "nft-table" || isKeptOnly(change)) return;
  try {
    // Of these there may be two alike.
    if (change.kind === "firewall-rule") await unmakeChange(change, tools);
    await makeChange(change, tools);
  } catch (failure) {
    if (!(failure instanceof AlreadyThereError)) throw failure;
  }
}

/** Takes it back; it may never have been made, or be gone already: both are success. */
export async function unmakeChange(change: HostChange, tools: HostTools): Promise<void> {
  const { ipRoute, nft, sysctls, firewallRules, resolvers } = tools;
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
      // Somebody who has changed it since is right, unless it was only kept.
      if (isKeptOnly(change) || (await sysctls.read(change.key)) === change.after)
        await sysctls.write(change.key, change.before);
      return;
    case "firewall-rule":
      return firewallRules.remove(change);
    case "file":
      return unmakeFile(change);
    case "resolved-link":
      if (await isSameInterface(change.interface, ipRoute)) await resolvers.revertLink(change.interface.name);
      return;
    case "resolvconf-record":
      return resolvers.removeRecord(change);
  }
}

function isKeptOnly(change: HostChange): boolean {
  return change.kind === "sysctl" && change.before === change.after;
}

async function isSameInterface({ name, index }: InterfaceIdentity, ipRoute: IpRoute): Promise<boolean> {
  return (await ipRoute.link(name))?.index === index;
}
