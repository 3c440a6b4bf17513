import { type Interfaces, ownInterfaces } from "./own-interfaces.ts";

export interface SpokenFamilies {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/**
 * The families in which this network namespace can speak with other hosts at the moment: those in which an interface
 * that is up, neither loopback nor `tunnelName`, has an address. To have a socket says less: one is made and bound for
 * IPv6 even while `disable_ipv6` keeps every address away.
 */
export function spokenFamilies(tunnelName: string, interfaces: Interfaces = ownInterfaces()): SpokenFamilies {
  const addresses = Object.entries(interfaces)
    .flatMap(([name, entries]) => (name === tunnelName ? [] : (entries ?? [])))
    .filter(({ internal }) => !internal);
  return {
    ipv4: addresses.some(({ family }) => family === "IPv4"),
    ipv6: addresses.some(({ family }) => family === "IPv6"),
  };
}
