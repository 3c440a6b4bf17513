import { IPV6_MIN_MTU_BYTES } from "../packet/mtu.ts";
import type { InterfaceIdentity } from "./changes/host-change.ts";
import type { HostChanges } from "./changes/host-changes.ts";
import { Ipv6DisabledError } from "./ip-route.ts";
import {
  requireFreeInterface,
  requireFreeRanges,
  requireInterfaceName,
  requireNetAdmin,
  requireTunDevice,
} from "./preflight.ts";

export interface InterfaceSetupOptions {
  readonly interfaceName: string;
  /** Of packets inside the tunnel. */
  readonly mtuBytes: number;
  /** The mesh's networks, IPv4 and IPv6: each gets a route into the interface. */
  readonly ranges: readonly string[];
  /** Of other meshes: which one has this interface. */
  readonly networkOf?: (interfaceName: string) => string | undefined;
}

/** Why there is no IPv6 on the interface. */
export type NoIpv6Reason = "disabled-on-host" | "mtu-below-1280";

/**
 * Before the device is made: checks that this host can have the interface.
 *
 * @throws MeshError `missing-capability`, `no-tun-device`, `bad-interface-name`, `interface-taken`, `range-conflict`,
 *   `missing-tool`
 */
export async function requireUsableHost(
  { interfaceName, ranges, networkOf }: InterfaceSetupOptions,
  { tools: { ipRoute } }: HostChanges,
): Promise<void> {
  requireInterfaceName(interfaceName);
  requireNetAdmin();
  requireTunDevice();
  await requireFreeInterface(interfaceName, ipRoute);
  await requireFreeRanges(ranges, ipRoute, networkOf);
}

/**
 * Once the device is there, the mesh's interface as the host sees it: MTU, addresses, up, routes. Making and deleting the TUN
 * device itself is the data plane's part.
 *
 * @param addresses ours inside the mesh, v4 and v6, without prefix length
 * @returns why the IPv6 ones and their routes were left out, or undefined when they are in place
 * @throws MeshError `host-change-failed`, `missing-capability`
 */
export async function configureInterface(
  { interfaceName, mtuBytes, ranges }: InterfaceSetupOptions,
  addresses: readonly string[],
  changes: HostChanges,
): Promise<NoIpv6Reason | undefined> {
  const { ipRoute } = changes.tools;
  const device = await identityOf(interfaceName, changes);
  const isV6 = (text: string) => text.includes(":");
  await ipRoute.setMtu(interfaceName, mtuBytes);
  for (const address of addresses.filter((each) => !isV6(each))) {
    await changes.address("interface", device, `${address}/32`);
  }
  const noIpv6 = await addIpv6Addresses(addresses.filter(isV6), mtuBytes, device, changes);
  await ipRoute.setUp(interfaceName);
  for (const destination of ranges) {
    if (noIpv6 !== undefined && isV6(destination)) continue;
    await changes.route("interface", { destination, interface: device });
  }
  return noIpv6;
}

/** @throws Error where there is no such interface */
export async function identityOf(interfaceName: string, { tools }: HostChanges): Promise<InterfaceIdentity> {
  const link = await tools.ipRoute.link(interfaceName);
  if (link === undefined) throw new Error(`the interface ${interfaceName} is gone`);
  return { name: interfaceName, index: link.index };
}

async function addIpv6Addresses(
  addresses: readonly string[],
  mtuBytes: number,
  device: InterfaceIdentity,
  changes: HostChanges,
): Promise<NoIpv6Reason | undefined> {
  // Linux takes the IPv6 addresses away from such an interface.
  if (mtuBytes < IPV6_MIN_MTU_BYTES) return "mtu-below-1280";
  try {
    for (const address of addresses) await changes.address("interface", device, `${address}/128`);
    return undefined;
  } catch (failure) {
    if (failure instanceof Ipv6DisabledError) return "disabled-on-host";
    throw failure;
  }
}
