import * as abi from "../../host/ffi/constants.ts";
import { setInt } from "../../host/ffi/socket-option.ts";

/**
 * Says whether the datagrams that the socket sends next may be fragmented, as ip(7) and ipv6(7) have it.
 *
 * - They may: IPv4 sends without DF and does not listen to ICMP, which anybody can forge (OMIT). IPv6 has no fragments on
 *   the way: the kernel makes them of what is larger than routers have told it that the path carries (WANT).
 * - They may not: they leave whole, up to the MTU of our own device, whatever ICMP has said (PROBE).
 *
 * A kernel that does not know one of these (Linux before 3.15) goes on as it is.
 */
export function setFragmentation(fd: number, family: number, isAllowed: boolean): void {
  if (family === abi.AF_INET)
    setInt(fd, abi.IPPROTO_IP, abi.IP_MTU_DISCOVER, isAllowed ? abi.IP_PMTUDISC_OMIT : abi.IP_PMTUDISC_PROBE);
  else
    setInt(fd, abi.IPPROTO_IPV6, abi.IPV6_MTU_DISCOVER, isAllowed ? abi.IPV6_PMTUDISC_WANT : abi.IPV6_PMTUDISC_PROBE);
}
