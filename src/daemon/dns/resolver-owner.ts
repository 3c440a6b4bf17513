import type { OwnerWord } from "../../host/resolver/host-resolver.ts";
import type { Neighbours } from "../neighbours/neighbours.ts";
import { isAskedOf } from "./upstream-plan.ts";

/**
 * What another network, which has resolv.conf, does for the names of ours.
 * @param domain of our network
 * @returns undefined for one that this home does not hold
 */
export async function resolverOwner(
  network: string,
  domain: string,
  neighbours: Pick<Neighbours, "all" | "isAlive">,
): Promise<OwnerWord | "gone" | undefined> {
  const owner = neighbours.all.find((one) => one.network === network);
  if (owner === undefined) return undefined;
  if (!(await neighbours.isAlive(network))) return "gone";
  const has = `the network ${network} has resolv.conf`;
  if (owner.dns === null) return { isAsked: false, reason: `${has}, and no name server yet` };
  if (!isAskedOf(domain, owner.dns.domain)) {
    const remedy = "another domain for one of both helps: mesh serve --domain";
    return {
      isAsked: false,
      reason: `${has}, and the domain ${owner.dns.domain} as well, so its names hold; ${remedy}`,
    };
  }
  return { isAsked: true, reason: `${has}, and asks this one for its names` };
}

/** Name servers of other networks of this machine that ask ours for names of this domain. */
export function serversThatAsk(domain: string, { all }: Pick<Neighbours, "all">): string[] {
  return all.flatMap(({ dns }) => (dns !== null && isAskedOf(domain, dns.domain) ? [dns.server] : []));
}
