import type { EndFacts, ExplainedRule, ExplainStep } from "../../api/explain.ts";
import { IPV6_MIN_MTU_BYTES } from "../../packet/mtu.ts";
import type { End } from "./end.ts";
import { step, unknown, type Where } from "./verdict.ts";

/** The two machines of a connection through the mesh. One that carries it on has the address to which, or from which. */
export interface Ends {
  readonly source: End;
  readonly destination: End;
}

/** What becomes of a packet at the source, in the order in which it meets the layers. */
export function leavingLayers(near: EndFacts, ends: Ends): ExplainStep[] {
  const { source, destination } = ends;
  return [
    routeLayer(near, source, destination),
    firewallLayer(near, "source", source),
    ...passingLayers(near, "source", ends),
  ];
}

/** At the machine that takes it from the other one. */
export function arrivingLayers(far: EndFacts, end: Where, { source, destination }: Ends): ExplainStep[] {
  const spoofed = `${destination.name} does not take ${source.address} for an address of ${source.name}`;
  return [
    aclLayer(far, end, destination, source, destination),
    ...(far.inSight && far.prefix === null ? [step("route", end, spoofed, false)] : []),
    ...(far.inSight ? filterLayer(far, end, destination, "in") : []),
  ];
}

/** What the map and the packet filter of the machine that sends it into the mesh say. */
export function passingLayers(near: EndFacts, end: Where, { source, destination }: Ends): ExplainStep[] {
  return [
    aclLayer(near, end, source, destination, destination),
    ...(near.inSight ? filterLayer(near, end, source, "out") : []),
  ];
}

/** Session, path and MTU by the word of one of the two. @param isTried it has tried them just now */
export function betweenLayers(
  facts: EndFacts,
  end: Where,
  { other, isTried, isV6 }: { readonly other: End; readonly isTried: boolean; readonly isV6: boolean },
): ExplainStep[] {
  if (!facts.inSight) return [];
  const { isUp, lastHandshakeAt } = facts.session;
  const shaken = lastHandshakeAt === null ? "no handshake yet" : `last handshake ${lastHandshakeAt}`;
  if (!isUp && facts.probeRttMs === null) {
    return [step("session", end, `no session: ${other.name} answers no handshake, ${shaken}`, false)];
  }
  return [step("session", end, `up, ${shaken}`), pathLayer(facts, end, isTried, other), ...mtuLayer(facts, end, isV6)];
}

export function firewallLayer({ hostFirewall: { state, detail } }: EndFacts, end: Where, { name }: End): ExplainStep {
  if (state === "unreadable") {
    return unknown("host-firewall", end, `the firewall of ${name}'s host cannot be read: ${detail}`);
  }
  const said = state === "drops" ? `the firewall of ${name}'s host drops it: ${detail}` : detail;
  return step("host-firewall", end, said, state === "clear");
}

function routeLayer({ route: way, prefix }: EndFacts, source: End, { name, address }: End): ExplainStep {
  if (way !== null && !way.isOurs) {
    const by = way.interface === null ? "has no route" : `sends it by ${way.interface}, not into the mesh`;
    return step("route", "source", `the host of ${source.name} ${by}: see \`ip route get ${address}\``, false);
  }
  if (way !== null && way.source !== null && way.source !== source.address) {
    const taken = `the host of ${source.name} sends it from ${way.source}, which ${name} takes for nobody's`;
    return step("route", "source", taken, false);
  }
  if (prefix === null) return step("route", "source", `no peer of ${source.name} has ${address}`, false);
  const table = way?.table == null ? "" : `, table ${way.table}`;
  return step("route", "source", `${prefix} leads to ${name}${way === null ? "" : ` by ${way.interface}${table}`}`);
}

/** Whether the CIDRs let `self` and `other` see each other, and who may start. @param receiver where it does not start */
function aclLayer(facts: EndFacts, end: Where, self: End, other: End, receiver: End): ExplainStep {
  if (!facts.inSight)
    return step("acl", end, `${self.name} (${self.cidr}) does not see ${other.name} (${other.cidr})`, false);
  if (!facts.mayStart || facts.filter?.verdict === "one-way") {
    const text = `by ${self.name}'s map the association is one-way: connections start at ${receiver.name} only`;
    return step("acl", end, text, false);
  }
  return step("acl", end, `${self.name} sees ${other.name}, and connections may start at the source`);
}

function filterLayer(facts: EndFacts, end: Where, self: End, direction: "in" | "out"): ExplainStep[] {
  const { filter, tracked } = facts;
  if (filter === null) return [];
  const open = tracked === 1 ? "1 such connection is open" : `${tracked} such connections are open`;
  const passes = filter.verdict !== "deny" && filter.verdict !== "reject";
  return [
    step("filter", end, filterDetail(filter, direction, self), passes, filter.rule),
    step("connection", end, `${self.name} tracks: ${open}`),
  ];
}

function filterDetail(filter: NonNullable<EndFacts["filter"]>, direction: "in" | "out", { name }: End): string {
  const { verdict, layer, rule } = filter;
  const does = { accept: "allows", deny: "denies", reject: "rejects", "one-way": "refuses" }[verdict];
  if (layer === "default") return `${name} ${does} it (${direction}): its default, no rule speaks of it`;
  return `${name} ${does} it (${direction}): ${ruleText(rule, layer)}`;
}

function ruleText(rule: ExplainedRule | null, layer: string): string {
  return rule === null ? `a rule of the layer ${layer}` : `rule ${rule.id} of the layer ${layer}, ${rule.text}`;
}

function pathLayer({ path: way, probeRttMs }: EndFacts, end: Where, isTried: boolean, other: End): ExplainStep {
  const rtt = probeRttMs ?? way?.rttMs ?? null;
  const named = way === null ? "" : `${way.transport} ${way.endpoint}`;
  if (isTried && probeRttMs === null) {
    const tried = named === "" ? "no path works" : `${named} does not answer`;
    return step("path", end, `${tried}: a probe to ${other.name} got no answer`, false);
  }
  if (way === null) {
    if (!isTried) return step("path", end, `no path to ${other.name} works`, false);
    return step("path", end, `${other.name} answers; its path is just being chosen`);
  }
  const parts = [named, ...(rtt === null ? [] : [`${rtt.toFixed(1)} ms`]), ...(way.detail === "" ? [] : [way.detail])];
  return step("path", end, parts.join(", "));
}

function mtuLayer({ path: way, mtuBytes }: EndFacts, end: Where, isV6: boolean): ExplainStep[] {
  const carried = way?.mtuBytes ?? null;
  if (carried === null) {
    return [unknown("mtu", end, `packets up to ${mtuBytes} bytes; what the path carries is not known yet`)];
  }
  const fits = !isV6 || carried >= IPV6_MIN_MTU_BYTES;
  return [step("mtu", end, `the path carries packets of ${carried} bytes in one piece`, fits)];
}
