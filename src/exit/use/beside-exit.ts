import { narrowestAround } from "../../packet/cidr.ts";
import { type GuardOptions, NAME_SERVER_PORTS } from "./guard-table.ts";
import { LINK_IPV4, LINK_IPV6, LOCAL_IPV4, LOCAL_IPV6 } from "./local-networks.ts";

/** The first packet of a connection that the host would send by another interface than the tunnel's. */
export interface PacketBeside {
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** Null for icmp. */
  readonly port: number | null;
}

/** What the guard's table (`guard-table.ts`) does with it, and why. */
export interface GuardWord {
  readonly passes: boolean;
  readonly detail: string;
}

/** @param interfaceName by which the host would send it */
export function besideExit(
  { destination, protocol, port }: PacketBeside,
  interfaceName: string,
  { lan, meshes, ownBridges }: Pick<GuardOptions, "lan" | "meshes" | "ownBridges">,
): GuardWord {
  const isIn = (networks: readonly string[]) => narrowestAround(destination, networks) !== undefined;
  const stays = (detail: string): GuardWord => ({ passes: false, detail });
  const isLocal = isIn([...LOCAL_IPV4, ...LOCAL_IPV6]);
  const toInternet = "what is for the internet leaves by an exit, or not at all";
  if (isLocal && ownBridges.includes(interfaceName)) {
    return { passes: true, detail: "a bridge to this host's own containers" };
  }
  if (meshes.some((mesh) => mesh.interface === interfaceName && isIn(mesh.reach))) {
    return { passes: true, detail: "reached through another mesh of this machine" };
  }
  if (lan === undefined) return stays(isLocal ? "the local network is cut off: see --exit-allow-lan" : toInternet);
  const onLink = lan.onLink.filter((each) => each.interfaceName === interfaceName).map(({ network }) => network);
  if (!isIn([...LINK_IPV4, ...LINK_IPV6, ...onLink, ...lan.carried])) {
    return stays(isLocal ? "this host is not on that network, and a gateway may lead anywhere" : toInternet);
  }
  if (protocol !== "icmp" && NAME_SERVER_PORTS.some((each) => each === port)) {
    return stays("a name server of the local network would see what is asked for");
  }
  return { passes: true, detail: "the local network stays within reach (--exit-allow-lan)" };
}
