import type { EndFacts, ExplainProtocol, ExplainStep, Explanation } from "../../api/explain.ts";
import { arrivingLayers, betweenLayers, type Ends, firewallLayer, leavingLayers } from "./layers.ts";
import { conclude, step, unknown } from "./verdict.ts";

/** What is known of both ends. */
export interface ChainFacts extends Ends {
  readonly protocol: ExplainProtocol;
  readonly port: number | null;
  /** What each end says of its half, or why it is not known. */
  readonly sourceFacts: EndFacts | string;
  readonly destinationFacts: EndFacts | string;
}

/** The way of a connection's first packet through both ends, layer by layer. */
export function explainChain(facts: ChainFacts): Explanation {
  const { source, destination, sourceFacts, destinationFacts } = facts;
  return conclude(facts, [
    step("dns", "source", `${destination.name} is ${destination.address}, in the CIDR ${destination.cidr}`),
    ...(typeof sourceFacts === "string"
      ? [unknown("filter", "source", notKnown(source.name, sourceFacts))]
      : leavingLayers(sourceFacts, facts)),
    ...between(facts),
    ...(typeof destinationFacts === "string"
      ? [unknown("filter", "destination", notKnown(destination.name, destinationFacts))]
      : [
          ...arrivingLayers(destinationFacts, "destination", facts),
          firewallLayer(destinationFacts, "destination", destination),
        ]),
  ]);
}

export function notKnown(name: string, why: string): string {
  return `what ${name} does with it is not known: ${why}`;
}

/** By the source's word, which has tried them just now; else by the destination's. */
function between({ source, destination, sourceFacts, destinationFacts }: ChainFacts): ExplainStep[] {
  const isV6 = source.address.includes(":");
  if (typeof sourceFacts !== "string") {
    return betweenLayers(sourceFacts, "source", { other: destination, isTried: true, isV6 });
  }
  if (typeof destinationFacts !== "string") {
    return betweenLayers(destinationFacts, "destination", { other: source, isTried: false, isV6 });
  }
  return [step("session", "source", `neither ${source.name} nor ${destination.name} answers`, false)];
}
