import { cidrContains, cidrOf, cidrsOverlap, formatCidr, parseCidr, parseInterfaceAddress } from "../../packet/cidr.ts";

/** What RFC 1918 and 6598 leave to networks of one's own. */
const PRIVATE_IPV4 = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"] as const;
/** Likewise RFC 4193. */
const PRIVATE_IPV6 = ["fc00::/7"] as const;
const PRIVATE_RANGES = [...PRIVATE_IPV4, ...PRIVATE_IPV6].map(parseCidr);

/** What RFC 3927 and 1112 keep from the internet, and the broadcast address: of one link each. */
export const LINK_IPV4 = ["169.254.0.0/16", "224.0.0.0/4", "255.255.255.255"] as const;
/** Link-local and multicast addresses (RFC 4291). */
export const LINK_IPV6 = ["fe80::/10", "ff00::/8"] as const;
/** All that is not the internet for a packet that leaves this host. */
export const LOCAL_IPV4 = [...PRIVATE_IPV4, ...LINK_IPV4] as const;
export const LOCAL_IPV6 = [...PRIVATE_IPV6, ...LINK_IPV6] as const;

/** A network that this host is on. */
export interface LocalNetwork {
  readonly interfaceName: string;
  /** `ADDRESS/BITS`, of private addresses alone. */
  readonly network: string;
}

/**
 * The local networks: those that addresses of the host's interfaces are in, as far as they are private. Routes by a gateway
 * are none of them: whoever answers to DHCP can give the host such ones (option 121), and would so get what is for private
 * addresses behind a peer.
 *
 * @param addresses `ADDRESS/BITS` with the host's bits, by interface
 */
export function localNetworks(
  addresses: readonly { readonly interfaceName: string; readonly address: string }[],
): LocalNetwork[] {
  const found = addresses.flatMap(({ interfaceName, address }) => {
    const host = parseInterfaceAddress(address);
    const network = cidrOf(host.address, host.prefixBits);
    return PRIVATE_RANGES.filter((range) => cidrsOverlap(range, network)).map((range) => {
      return { interfaceName, network: formatCidr(cidrContains(range, network) ? network : range) };
    });
  });
  const byText = new Map(found.map((each) => [`${each.interfaceName} ${each.network}`, each]));
  return [...byText.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}
