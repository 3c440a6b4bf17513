import { isIPv4 } from "node:net";
import { isSameRemote, type UdpEndpoint } from "../packet/endpoint.ts";

/** How the NATs in front of a socket choose its public endpoint (RFC 4787 §4.1); the words that `mesh status` prints. */
export type Mapping = "endpoint-independent" | "endpoint-dependent" | "blocked" | "unknown";

/** What one server said of our socket, or null when nothing came back. All of one moment: mappings change. */
export interface MappingObservation {
  readonly server: UdpEndpoint;
  readonly reflexive: UdpEndpoint | null;
}

/** The socket that asked. */
export interface LocalSocket {
  /** Of all interfaces that lead out, both families. */
  readonly addresses: readonly string[];
  readonly port: number;
}

/** One address family. Null means that the observations do not tell. */
export interface FamilyReport {
  /** `blocked`: nobody answered; also when every server is down, which the asker may know better. */
  readonly mapping: Mapping;
  /** What has to differ between two destinations for the public endpoint to differ. */
  readonly dependsOn: "nothing" | "address" | "address-and-port" | null;
  readonly isBehindNat: boolean | null;
  /** Whether the public port is the socket's own. */
  readonly isPortPreserved: boolean | null;
  /** The public endpoints seen, without doubles, in the order of the servers: each is a candidate. */
  readonly reflexive: readonly UdpEndpoint[];
}

export interface NatReport {
  /** Whether UDP comes back at all, by whichever family. */
  readonly udp: boolean | null;
  /** IPv4's, where that works; else IPv6's. */
  readonly mapping: Mapping;
  readonly ipv4: FamilyReport;
  readonly ipv6: FamilyReport;
}

/**
 * What the answers of STUN servers tell of the NATs on the way. Two ports of one address show a mapping that depends on
 * the port; only servers at two addresses can show one that depends on the address.
 */
export function classifyMapping(observations: readonly MappingObservation[], local: LocalSocket): NatReport {
  const ipv4 = classifyFamily(observationsOf(observations, true), local);
  const ipv6 = classifyFamily(observationsOf(observations, false), local);
  const working = [ipv4, ipv6].find(({ reflexive }) => reflexive.length > 0);
  if (working !== undefined) return { udp: true, mapping: working.mapping, ipv4, ipv6 };
  const wasAsked = observations.length > 0;
  return { udp: wasAsked ? false : null, mapping: wasAsked ? "blocked" : "unknown", ipv4, ipv6 };
}

interface Answer {
  readonly server: UdpEndpoint;
  readonly reflexive: UdpEndpoint;
}

function observationsOf(observations: readonly MappingObservation[], ipv4: boolean): readonly MappingObservation[] {
  return observations.filter(({ server }) => isIPv4(server.address) === ipv4);
}

function classifyFamily(observations: readonly MappingObservation[], local: LocalSocket): FamilyReport {
  const answers = observations.flatMap(({ server, reflexive }) => (reflexive === null ? [] : [{ server, reflexive }]));
  if (answers.length === 0) {
    const mapping = observations.length > 0 ? "blocked" : "unknown";
    return { mapping, dependsOn: null, isBehindNat: null, isPortPreserved: null, reflexive: [] };
  }
  const isPortPreserved = answers.every(({ reflexive }) => reflexive.port === local.port);
  const isOwn = answers.every(({ reflexive }) => local.addresses.includes(reflexive.address));
  const isBehindNat = !(isPortPreserved && isOwn);
  const reflexive = distinct(answers.map((answer) => answer.reflexive));
  // Without a NAT several public endpoints are several addresses of ours, chosen by the routes.
  const { mapping, dependsOn } = isBehindNat
    ? dependence(mappedOf(answers, local))
    : ({ mapping: "endpoint-independent", dependsOn: "nothing" } as const);
  return { mapping, dependsOn, isBehindNat, isPortPreserved, reflexive };
}

/** A server on our side of the NAT sees our own address, and tells nothing of how the NAT maps. */
function mappedOf(answers: readonly Answer[], { addresses, port }: LocalSocket): readonly Answer[] {
  const isOurs = (seen: UdpEndpoint) => seen.port === port && addresses.includes(seen.address);
  const mapped = answers.filter(({ reflexive }) => !isOurs(reflexive));
  return mapped.length > 0 ? mapped : answers;
}

function dependence(answers: readonly Answer[]): Pick<FamilyReport, "mapping" | "dependsOn"> {
  const isSame = distinct(answers.map(({ reflexive }) => reflexive)).length === 1;
  const pairs = answers.flatMap((a, i) => answers.slice(i + 1).map((b) => [a, b] as const));
  const ofOneAddress = pairs.filter(
    ([a, b]) => a.server.address === b.server.address && a.server.port !== b.server.port,
  );
  const ofTwoAddresses = pairs.filter(([a, b]) => a.server.address !== b.server.address);
  if (isSame) {
    if (ofTwoAddresses.length > 0) return { mapping: "endpoint-independent", dependsOn: "nothing" };
    return { mapping: ofOneAddress.length > 0 ? "endpoint-independent" : "unknown", dependsOn: null };
  }
  if (ofOneAddress.some(([a, b]) => !isSameRemote(a.reflexive, b.reflexive))) {
    return { mapping: "endpoint-dependent", dependsOn: "address-and-port" };
  }
  return { mapping: "endpoint-dependent", dependsOn: ofOneAddress.length > 0 ? "address" : null };
}

function distinct(endpoints: readonly UdpEndpoint[]): readonly UdpEndpoint[] {
  return endpoints.filter((endpoint, i) => endpoints.findIndex((other) => isSameRemote(other, endpoint)) === i);
}
