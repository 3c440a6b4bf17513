import type { EndFacts, ExplainProtocol, ExplainStep, Explanation, WayBeyond } from "../../api/explain.ts";
import { notKnown } from "./chain.ts";
import type { End } from "./end.ts";
import { arrivingLayers, betweenLayers, type Ends, firewallLayer, leavingLayers, passingLayers } from "./layers.ts";
import { conclude, step, unknown } from "./verdict.ts";

/** What is known of a connection whose other end is an address outside the mesh. */
export interface BeyondFacts {
  /** The end that is in the mesh. */
  readonly machine: End;
  readonly address: string;
  /** The connection starts at the machine. */
  readonly isLeaving: boolean;
  /** Who carries it, with `address`; undefined for nobody. */
  readonly carrier: End | undefined;
  readonly protocol: ExplainProtocol;
  readonly port: number | null;
  /** What each says of its half, or why that is not known. */
  readonly machineFacts: EndFacts | string;
  readonly carrierFacts: EndFacts | string;
}

/** The way of a connection's first packet out of the mesh, or into it, layer by layer at the machine and at who carries it. */
export function explainBeyond(facts: BeyondFacts): Explanation {
  const { machine, address, isLeaving, carrier, protocol, port } = facts;
  const [source, destination] = isLeaving ? [machine, { address }] : [{ address }, machine];
  const connection = { source, destination, carrier: carrier?.name ?? null, protocol, port };
  return conclude(connection, [step("dns", "source", `${address} is no machine of the mesh`), ...layers(facts)]);
}

function layers(facts: BeyondFacts): ExplainStep[] {
  const { machine, address, isLeaving, carrier, machineFacts } = facts;
  const at = isLeaving ? "source" : "destination";
  if (typeof machineFacts === "string" || machineFacts.beyond === undefined) {
    const why = typeof machineFacts === "string" ? machineFacts : "it is too old for that";
    return [step("session", at, `which way ${machine.name} has to ${address} is not known: ${why}`, false)];
  }
  const { beyond } = machineFacts;
  if (carrier === undefined) return [alone(beyond, at, facts)];
  return isLeaving ? leaving(machineFacts, beyond, carrier, facts) : coming(machineFacts, beyond, carrier, facts);
}

/** Nobody carries it. */
function alone(
  { by, detail }: WayBeyond,
  at: "source" | "destination",
  { machine, address }: BeyondFacts,
): ExplainStep {
  if (by === "kept-in") return step("exit", at, `nothing leaves ${machine.name} around an exit: ${detail}`, false);
  if (at === "source") return step("route", at, `${address} is not reached through the mesh: ${detail}`, false);
  return step("route", at, `${machine.name} takes ${address} for nobody's: ${detail}`, false);
}

function leaving(near: EndFacts, way: WayBeyond, carrier: End, facts: BeyondFacts): ExplainStep[] {
  const { machine, address, carrierFacts } = facts;
  const ends: Ends = { source: machine, destination: carrier };
  return [
    ...(way.by === "exit" ? exitLayers(near, way, carrier) : [step("route", "source", wayText(way, carrier))]),
    ...leavingLayers(near, ends),
    ...betweenLayers(near, "source", { other: carrier, isTried: true, isV6: address.includes(":") }),
    ...(typeof carrierFacts === "string"
      ? [unknown(layerOf(way), "carrier", notKnown(carrier.name, carrierFacts))]
      : [...arrivingLayers(carrierFacts, "carrier", ends), ...carrying(carrierFacts, way, carrier, facts)]),
  ];
}

/** From a network behind a peer; what comes from an exit is none of ours unless it was asked for. */
function coming(far: EndFacts, way: WayBeyond, carrier: End, facts: BeyondFacts): ExplainStep[] {
  const { machine, address, carrierFacts } = facts;
  if (way.by === "exit") {
    const unasked = `${carrier.name} is an exit, from which ${machine.name} takes answers alone: dropped as in-exit-unasked`;
    return [step("exit", "destination", unasked, false)];
  }
  const ends: Ends = { source: carrier, destination: machine };
  return [
    ...(typeof carrierFacts === "string"
      ? [unknown("route", "carrier", notKnown(carrier.name, carrierFacts))]
      : [...carrying(carrierFacts, way, carrier, facts), ...passingLayers(carrierFacts, "carrier", ends)]),
    ...betweenLayers(far, "destination", { other: carrier, isTried: false, isV6: address.includes(":") }),
    step("route", "destination", wayText(way, carrier)),
    ...arrivingLayers(far, "destination", ends),
    firewallLayer(far, "destination", machine),
  ];
}

/** Which exit, and that nothing leaves around it. */
function exitLayers({ probeRttMs }: EndFacts, way: WayBeyond, carrier: End): ExplainStep[] {
  const isThere = probeRttMs !== null;
  const why = way.detail === "" ? "" : ` (${way.detail})`;
  const silent = `the exit ${carrier.name} does not answer, and nothing leaves around it${why}`;
  const gone = "the exit's guard is gone, so that routes of the host may lead around it: see `mesh exit check`";
  return [
    step("exit", "source", isThere ? wayText(way, carrier) : silent, isThere),
    way.isGuarded
      ? step("exit", "source", "the exit's guard is there: what does not go by the exit stays")
      : unknown("exit", "source", gone),
  ];
}

/** What the host of the carrier does with it. */
function carrying(facts: EndFacts, way: WayBeyond, carrier: End, { address, isLeaving }: BeyondFacts): ExplainStep[] {
  const { carried, route } = facts;
  const host = `the host of ${carrier.name}`;
  const steps: ExplainStep[] = [];
  if (carried !== undefined) {
    const said = carried.detail === "" ? `${host} forwards` : `${carrier.name}: ${carried.detail}`;
    steps.push(step(layerOf(way), "carrier", said, carried.isCarried));
  }
  if (route?.interface == null) steps.push(step("route", "carrier", `${host} has no route to ${address}`, false));
  else if (route.isOurs) steps.push(step("route", "carrier", `${host} would send it back into the mesh`, false));
  else steps.push(step("route", "carrier", `${host} ${isLeaving ? "sends it on" : "takes it"} by ${route.interface}`));
  return [...steps, firewallLayer(facts, "carrier", carrier)];
}

function layerOf({ by }: WayBeyond): "exit" | "route" {
  return by === "exit" ? "exit" : "route";
}

function wayText({ by, detail }: WayBeyond, { name, address }: End): string {
  const carries = by === "exit" ? `${name} carries it as the exit in use` : `${name} leads to ${address}`;
  return detail === "" ? carries : `${carries}: ${detail}`;
}
