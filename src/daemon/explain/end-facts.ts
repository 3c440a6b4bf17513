import type { EndFacts, HalfQuestion } from "../../api/explain.ts";
import { formatFilterRule } from "../../api/filter-rule.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import type { FilterPreview } from "../../filter/packet-filter.ts";
import { Verdict } from "../../filter/verdict.ts";
import type { HostFirewall } from "../../host/firewall/host-firewall.ts";
import type { IpRoute } from "../../host/ip-route.ts";
import { canonicalAddress, parseAddress } from "../../packet/address.ts";
import { cidrContainsAddress, parseCidr } from "../../packet/cidr.ts";
import { openingPacket } from "../../packet/opening-packet.ts";
import type { Tunnel } from "../../router/tunnel.ts";
import type { FilterKeeper } from "../filter/filter-keeper.ts";

/** A handshake and a round trip by a relay fit in, and an echo that was lost once does not count as an answer. */
const PROBE_TIMEOUT_MS = 2000;

const VERDICT_WORDS = {
  [Verdict.accept]: "accept",
  [Verdict.deny]: "deny",
  [Verdict.reject]: "reject",
  [Verdict.oneWay]: "one-way",
} as const;

export interface EndFactsDeps {
  readonly tunnel: Pick<Tunnel, "info" | "peers" | "ping" | "inquiries">;
  readonly filter: Pick<FilterKeeper, "ruleAt">;
  readonly firewall: HostFirewall;
  readonly ipRoute: IpRoute;
  readonly map: () => NetworkMap | undefined;
}

/**
 * Gathers what this machine knows of a connection that it is one end of.
 * @param farKey WireGuard key of the peer at the other end
 */
export async function gatherEndFacts(
  { source, destination, protocol, port }: HalfQuestion,
  isSource: boolean,
  farKey: string,
  { tunnel, filter, firewall, ipRoute, map }: EndFactsDeps,
): Promise<EndFacts> {
  const { interfaceName, mtu } = tunnel.info;
  const bytes = openingPacket(protocol, parseAddress(source), parseAddress(destination), port ?? 0);
  const far = isSource ? destination : source;
  const [preview, hostFirewall, route, probeRttMs] = await Promise.all([
    tunnel.inquiries.preview(bytes, isSource),
    firewall.verdictOn({
      isInbound: !isSource,
      interfaceName,
      family: source.includes(":") ? 6 : 4,
      source,
      destination,
      protocol,
      port: port ?? 0,
    }),
    isSource ? routeTo(far, interfaceName, ipRoute) : null,
    isSource ? probe(farKey, tunnel) : null,
  ]);
  const self = map()?.self;
  const isOwnSource = source === self?.ip4 || source === self?.ip6;
  const status = tunnel.peers().find(({ publicKey }) => publicKey === farKey);
  const mapped = map()?.peers.find(({ wireguardKey }) => wireguardKey === farKey);
  const current = status?.paths?.current ?? null;
  return {
    inSight: mapped !== undefined,
    mayStart: mapped !== undefined && mapped.mayStart !== (isSource ? "peer" : "self"),
    prefix: preview.peer === farKey ? prefixAround(far, status?.allowedIps ?? []) : null,
    // Of what others send through us the host does not choose the source.
    route: route && { ...route, source: isOwnSource ? route.source : null },
    filter: preview.decided === null ? null : filterFacts(preview.decided, filter),
    tracked: preview.decided?.tracked ?? 0,
    session: {
      isUp: status?.sessionUp ?? false,
      lastHandshakeAt: status?.lastHandshakeAtMs ? new Date(status.lastHandshakeAtMs).toISOString() : null,
    },
    path: current && {
      transport: current.transport,
      endpoint: current.endpoint,
      rttMs: current.rttMs,
      mtuBytes: current.mtuBytes,
      detail: current.isUsable ? "" : `in doubt: ${current.detail}`,
    },
    probeRttMs,
    mtuBytes: mtu,
    hostFirewall: { state: hostFirewall.state, detail: hostFirewall.detail },
  };
}

function filterFacts({ verdict, slot }: FilterPreview, filter: Pick<FilterKeeper, "ruleAt">): EndFacts["filter"] {
  const decided = slot < 0 ? undefined : filter.ruleAt(slot);
  return {
    verdict: VERDICT_WORDS[verdict as keyof typeof VERDICT_WORDS],
    layer: decided?.layer ?? "default",
    rule: decided === undefined ? null : { id: decided.id, text: formatFilterRule(decided.rule) },
  };
}

async function routeTo(address: string, ours: string, ipRoute: IpRoute): Promise<EndFacts["route"]> {
  try {
    const { interfaceName, source } = await ipRoute.routeTo(address);
    return {
      interface: interfaceName ?? null,
      isOurs: interfaceName === ours,
      source: source === undefined ? null : canonicalAddress(source),
    };
  } catch {
    return { interface: null, isOurs: false, source: null };
  }
}

async function probe(publicKey: string, tunnel: Pick<Tunnel, "ping">): Promise<number | null> {
  try {
    return (await tunnel.ping(publicKey, { timeoutMs: PROBE_TIMEOUT_MS })).rttMs;
  } catch {
    return null;
  }
}

/** The narrowest of the prefixes that has the address in it. */
function prefixAround(address: string, prefixes: readonly string[]): string | null {
  const bytes = parseAddress(address);
  const around = prefixes.filter((prefix) => cidrContainsAddress(parseCidr(prefix), bytes));
  return around.sort((a, b) => parseCidr(b).prefixBits - parseCidr(a).prefixBits)[0] ?? null;
}
