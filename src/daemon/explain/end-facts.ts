import type { EndFacts, HalfQuestion } from "../../api/explain.ts";
import { formatFilterRule } from "../../api/filter-rule.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import type { FilterPreview } from "../../filter/packet-filter.ts";
import { Verdict } from "../../filter/verdict.ts";
import type { HostFirewall } from "../../host/firewall/host-firewall.ts";
import type { ExplainedPacket } from "../../host/firewall/nft-match.ts";
import type { IpRoute } from "../../host/ip-route.ts";
import { canonicalAddress, parseAddress } from "../../packet/address.ts";
import { narrowestAround } from "../../packet/cidr.ts";
import { openingPacket } from "../../packet/opening-packet.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";
import type { FilterKeeper } from "../filter/filter-keeper.ts";
import { carriageFacts, type ForwardingDeps } from "./carriage-facts.ts";
import { gatherWayBeyond, type WayBeyondDeps } from "./way-beyond-facts.ts";

/** A handshake and a round trip by a relay fit in, and an echo that was lost once does not count as an answer. */
const PROBE_TIMEOUT_MS = 2000;

const VERDICT_WORDS = {
  [Verdict.accept]: "accept",
  [Verdict.deny]: "deny",
  [Verdict.reject]: "reject",
  [Verdict.oneWay]: "one-way",
} as const;

/** What a machine is to a connection: an end of it, or who carries it out of the mesh, or in. */
export type Part = "source" | "destination" | "carries-out" | "carries-in";

export interface EndFactsDeps extends WayBeyondDeps, ForwardingDeps {
  readonly tunnel: Pick<Tunnel, "info" | "peers" | "ping" | "inquiries">;
  readonly filter: Pick<FilterKeeper, "ruleAt">;
  readonly firewall: HostFirewall;
  readonly ipRoute: IpRoute;
  readonly map: () => NetworkMap | undefined;
}

/**
 * Gathers what this machine knows of a connection that it has a part in.
 * @param farKey WireGuard key of the peer at the other end, or of that which it carries for; undefined for an end of the mesh
 *   whose other end is no machine of it: the packet path says who carries it
 */
export async function gatherEndFacts(
  question: HalfQuestion,
  part: Part,
  farKey: string | undefined,
  deps: EndFactsDeps,
): Promise<EndFacts> {
  const { tunnel, filter, firewall, ipRoute, map } = deps;
  const { source, destination, protocol, port } = question;
  const { interfaceName, mtu } = tunnel.info;
  const isOutbound = part === "source" || part === "carries-in";
  const isCarrier = part === "carries-out" || part === "carries-in";
  const far = isOutbound ? destination : source;
  const bytes = openingPacket(protocol, parseAddress(source), parseAddress(destination), port ?? 0);
  const preview = await tunnel.inquiries.preview(bytes, isOutbound);
  const isUnasked = preview.decided?.verdict === Verdict.unasked;
  const key = farKey ?? preview.peer;
  const sought = { source: destination, "carries-out": destination, "carries-in": source, destination: undefined }[
    part
  ];
  const route = sought === undefined ? null : await routeTo(sought, interfaceName, ipRoute);
  const [hostFirewall, probeRttMs, beyond, carried] = await Promise.all([
    firewall.verdictOn(packetAt(part, question, interfaceName, route?.interface ?? "")),
    part === "source" && key !== null ? probe(key, tunnel) : null,
    farKey === undefined ? gatherWayBeyond(question, { ...preview, isUnasked, route }, deps) : undefined,
    isCarrier ? carriageFacts(sought ?? far, part === "carries-out" ? preview : undefined, deps) : undefined,
  ]);
  const self = map()?.self;
  const isOwnSource = part === "source" && (source === self?.ip4 || source === self?.ip6);
  const status = tunnel.peers().find(({ publicKey }) => publicKey === key);
  const mapped = map()?.peers.find(({ wireguardKey }) => wireguardKey === key);
  // Whom it is carried for knows the path better.
  const current = isCarrier ? null : (status?.paths?.current ?? null);
  return {
    inSight: mapped !== undefined,
    mayStart: mapped !== undefined && mapped.mayStart !== (isOutbound ? "peer" : "self"),
    prefix: key !== null && preview.peer === key ? (narrowestAround(far, status?.allowedIps ?? []) ?? null) : null,
    // Of what others send through us the host does not choose the source.
    route: route && { ...route, source: isOwnSource ? route.source : null },
    filter: preview.decided === null || isUnasked ? null : filterFacts(preview.decided, filter),
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
    beyond,
    carried,
  };
}

/** As the host's firewall meets it. @param beyond the interface to who is no machine of the mesh */
function packetAt(part: Part, question: HalfQuestion, ours: string, beyond: string): ExplainedPacket {
  const { source, destination, protocol, port } = question;
  const family = source.includes(":") ? 6 : 4;
  const packet = { family, source, destination, protocol, port: port ?? 0 } as const;
  switch (part) {
    case "source":
    case "destination":
      return { ...packet, isInbound: part === "destination", interfaceName: ours };
    case "carries-out":
      return { ...packet, isInbound: true, interfaceName: ours, forwardedTo: beyond };
    case "carries-in":
      return { ...packet, isInbound: true, interfaceName: beyond, forwardedTo: ours };
  }
}

function filterFacts({ verdict, slot }: FilterPreview, filter: Pick<FilterKeeper, "ruleAt">): EndFacts["filter"] {
  const decided = slot < 0 ? undefined : filter.ruleAt(slot);
  return {
    verdict: VERDICT_WORDS[verdict as keyof typeof VERDICT_WORDS],
    layer: decided?.layer ?? "default",
    rule: decided === undefined ? null : { id: decided.id, text: formatFilterRule(decided.rule) },
  };
}

async function routeTo(address: string, ours: string, ipRoute: IpRoute): Promise<NonNullable<EndFacts["route"]>> {
  try {
    const { interfaceName, source, table } = await ipRoute.routeTo(address);
    return {
      interface: interfaceName ?? null,
      isOurs: interfaceName === ours,
      source: source === undefined ? null : canonicalAddress(source),
      table: table ?? null,
    };
  } catch {
    return { interface: null, isOurs: false, source: null, table: null };
  }
}

async function probe(publicKey: string, tunnel: Pick<Tunnel, "ping">): Promise<number | null> {
  try {
    return (await tunnel.ping(publicKey, { timeoutMs: PROBE_TIMEOUT_MS })).rttMs;
  } catch {
    return null;
  }
}
