import type {
  EndFacts,
  ExplainedRule,
  ExplainLayer,
  ExplainProtocol,
  ExplainStep,
  Explanation,
} from "../../api/explain.ts";
import { IPV6_MIN_MTU_BYTES } from "../../packet/mtu.ts";
import type { End } from "./end.ts";

/** What is known of both ends. */
export interface ChainFacts {
  readonly source: End;
  readonly destination: End;
  readonly protocol: ExplainProtocol;
  readonly port: number | null;
  /** What each end says of its half, or why it is not known. */
  readonly sourceFacts: EndFacts | string;
  readonly destinationFacts: EndFacts | string;
}

const VERDICT_BY: Readonly<Record<ExplainLayer, Exclude<Explanation["verdict"], "delivered">>> = {
  dns: "unreachable",
  route: "unreachable",
  session: "unreachable",
  path: "unreachable",
  mtu: "unreachable",
  acl: "blocked",
  filter: "blocked",
  connection: "blocked",
  "host-firewall": "blocked",
  exit: "blocked",
};

type Where = ExplainStep["end"];
type MaybeEnd = { readonly [Key in "name" | "address"]?: string | undefined };

/** The way of a connection's first packet through both ends, layer by layer. The first layer that stops it gives the verdict. */
export function explainChain(facts: ChainFacts): Explanation {
  const { source, destination, sourceFacts, destinationFacts } = facts;
  const steps = [
    step("dns", "source", `${destination.name} is ${destination.address}, in the CIDR ${destination.cidr}`),
    ...(typeof sourceFacts === "string"
      ? [unknown("filter", "source", source, sourceFacts)]
      : leaving(sourceFacts, facts)),
    ...between(facts),
    ...(typeof destinationFacts === "string"
      ? [unknown("filter", "destination", destination, destinationFacts)]
      : arriving(destinationFacts, facts)),
  ];
  return conclude(facts, steps);
}

/** The verdict where the steps alone tell it: of who is no end as well. */
export function conclude(
  {
    protocol,
    port,
    ...ends
  }: Pick<ChainFacts, "protocol" | "port"> & {
    readonly source: MaybeEnd;
    readonly destination: MaybeEnd;
  },
  steps: readonly ExplainStep[],
): Explanation {
  const stopped = steps.find(({ ok }) => !ok);
  // A path that was just chosen has not been measured; that stops nothing.
  const unknowns = steps.filter(({ known, layer }) => !known && layer !== "mtu");
  const named = ({ name, address }: MaybeEnd) => ({ name: name ?? null, address: address ?? null });
  const passed = ["every layer lets it pass", ...unknowns.map(({ detail }) => detail)].join("; ");
  return {
    verdict: stopped === undefined ? "delivered" : VERDICT_BY[stopped.layer],
    by: stopped?.layer ?? null,
    reason: stopped === undefined ? passed : stopped.detail,
    source: named(ends.source),
    destination: named(ends.destination),
    protocol,
    port,
    steps: [...steps],
  };
}

export function step(layer: ExplainLayer, end: Where, detail: string, ok = true): ExplainStep {
  return { layer, end, ok, known: true, detail, rule: null };
}

function unknown(layer: ExplainLayer, end: Where, { name }: End, why: string): ExplainStep {
  return { ...step(layer, end, `what ${name} does with it is not known: ${why}`), known: false };
}

/** At the source, in the order in which a packet meets it. */
function leaving(near: EndFacts, { source, destination }: ChainFacts): ExplainStep[] {
  return [
    route(near, source, destination),
    firewall(near, "source", source),
    acl(near, "source", source, destination),
    ...(near.inSight ? policy(near, "source", source) : []),
  ];
}

function arriving(far: EndFacts, { source, destination }: ChainFacts): ExplainStep[] {
  const spoofed = `${destination.name} does not take ${source.address} for an address of ${source.name}`;
  return [
    acl(far, "destination", destination, source),
    ...(far.inSight && far.prefix === null ? [step("route", "destination", spoofed, false)] : []),
    ...(far.inSight ? policy(far, "destination", destination) : []),
    firewall(far, "destination", destination),
  ];
}

function route({ route: way, prefix }: EndFacts, source: End, { name, address }: End): ExplainStep {
  if (way !== null && !way.isOurs) {
    const by = way.interface === null ? "has no route" : `sends it by ${way.interface}, not into the mesh`;
    return step("route", "source", `the host of ${source.name} ${by}: see \`ip route get ${address}\``, false);
  }
  if (way !== null && way.source !== null && way.source !== source.address) {
    const taken = `the host of ${source.name} sends it from ${way.source}, which ${name} takes for nobody's`;
    return step("route", "source", taken, false);
  }
  if (prefix === null) return step("route", "source", `no peer of ${source.name} has ${address}`, false);
  return step("route", "source", `${prefix} leads to ${name}${way === null ? "" : ` by ${way.interface}`}`);
}

function firewall({ hostFirewall: { state, detail } }: EndFacts, end: Where, { name }: End): ExplainStep {
  if (state === "unreadable")
    return { ...step("host-firewall", end, `the firewall of ${name}'s host cannot be read: ${detail}`), known: false };
  const said = state === "drops" ? `the firewall of ${name}'s host drops it: ${detail}` : detail;
  return step("host-firewall", end, said, state === "clear");
}

/** Whether the CIDRs let them see each other, and who of them may start. */
function acl(facts: EndFacts, end: Where, self: End, other: End): ExplainStep {
  if (!facts.inSight)
    return step("acl", end, `${self.name} (${self.cidr}) does not see ${other.name} (${other.cidr})`, false);
  if (!facts.mayStart || facts.filter?.verdict === "one-way") {
    const starter = end === "source" ? other : self;
    const text = `by ${self.name}'s map the association is one-way: connections start at ${starter.name} only`;
    return step("acl", end, text, false);
  }
  return step("acl", end, `${self.name} sees ${other.name}, and connections may start at the source`);
}

function policy(facts: EndFacts, end: Where, self: End): ExplainStep[] {
  const { filter, tracked } = facts;
  if (filter === null) return [];
  const direction = end === "source" ? "out" : "in";
  const open = tracked === 1 ? "1 such connection is open" : `${tracked} such connections are open`;
  return [
    {
      ...step(
        "filter",
        end,
        filterDetail(filter, direction, self),
        filter.verdict !== "deny" && filter.verdict !== "reject",
      ),
      rule: filter.rule,
    },
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

/** Session, path and MTU: by the source's word, which has tried them just now; else by the destination's. */
function between({ source, destination, sourceFacts, destinationFacts }: ChainFacts): ExplainStep[] {
  const isBySource = typeof sourceFacts !== "string";
  const facts = isBySource ? sourceFacts : destinationFacts;
  if (typeof facts === "string") {
    return [step("session", "source", `neither ${source.name} nor ${destination.name} answers`, false)];
  }
  if (!facts.inSight) return [];
  const end = isBySource ? "source" : "destination";
  const hasAnswered = facts.probeRttMs !== null;
  const isTried = isBySource;
  const { isUp, lastHandshakeAt } = facts.session;
  const shaken = lastHandshakeAt === null ? "no handshake yet" : `last handshake ${lastHandshakeAt}`;
  const other = isBySource ? destination : source;
  const steps = [
    isUp || hasAnswered
      ? step("session", end, `up, ${shaken}`)
      : step("session", end, `no session: ${other.name} answers no handshake, ${shaken}`, false),
  ];
  if (!steps[0]!.ok) return steps;
  return [...steps, path(facts, end, isTried, other), ...mtu(facts, end, source.address.includes(":"))];
}

function path({ path: way, probeRttMs }: EndFacts, end: Where, isTried: boolean, other: End): ExplainStep {
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

function mtu({ path: way, mtuBytes }: EndFacts, end: Where, isV6: boolean): ExplainStep[] {
  const carried = way?.mtuBytes ?? null;
  if (carried === null) {
    const detail = `packets up to ${mtuBytes} bytes; what the path carries is not known yet`;
    return [{ ...step("mtu", end, detail), known: false }];
  }
  const fits = !isV6 || carried >= IPV6_MIN_MTU_BYTES;
  return [step("mtu", end, `the path carries packets of ${carried} bytes in one piece`, fits)];
}
