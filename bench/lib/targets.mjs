import { hasOffloads } from "./contenders/wireguard-go.mjs";
import { median } from "./statistics.mjs";

/** The release that Debian 12 has, without offloads. */
const OLD_RELEASE = "0.0.20220316";

/**
 * The speeds that this project holds itself to. `measures` are pooled: both directions of a stream are one figure.
 * `ratio` is ours over theirs; `atLeast` or `atMost` bounds it.
 */
const TARGETS = [
  { title: "one TCP stream", measures: ["tcp1", "tcp1r"], against: "offloads", atLeast: 1.0 },
  { title: "four TCP streams", measures: ["tcp4", "tcp4r"], against: "offloads", atLeast: 1.2 },
  { title: "UDP 64 B delivered", measures: ["udp64"], against: "offloads", atLeast: 2.0 },
  { title: "ping RTT, in a row", measures: ["rttrow"], against: "offloads", atMost: 0.7 },
  { title: "ping RTT, 10 ms apart", measures: ["rtt"], against: "offloads", atMost: 0.7 },
  { title: "one TCP stream", measures: ["tcp1", "tcp1r"], against: "old", atLeast: 5.0 },
  {
    title: "one TCP stream, sodium",
    measures: ["tcp1", "tcp1r"],
    against: "offloads",
    provider: "sodium",
    atLeast: 0.7,
  },
];

/**
 * Holds the results against the targets.
 * @param {readonly {name: string, kind: string, version: string}[]} contenders as started
 * @param {(contender: string, measure: string) => number[]} valuesOf one value a run
 * @returns {{title: string, ours?: string, theirs?: string, bound: string, ratio?: number, verdict: string}[]}
 *   `verdict`: pass, FAIL, or why there is none
 */
export function judge(contenders, valuesOf) {
  return TARGETS.map((target) => {
    const bound = target.atLeast === undefined ? `≤ ${target.atMost} ×` : `≥ ${target.atLeast} ×`;
    const ours = contenders.find((contender) => isOurs(contender, target.provider ?? "openssl"));
    const theirs = contenders.find((contender) => isReference(contender, target.against));
    const known = { title: target.title, bound, ours: ours?.name, theirs: theirs?.name };
    if (ours === undefined || theirs === undefined) return { ...known, verdict: "not measured" };
    const figure = ({ name }) => median(target.measures.flatMap((measure) => valuesOf(name, measure)));
    const ratio = figure(ours) / figure(theirs);
    if (!Number.isFinite(ratio)) return { ...known, verdict: "not measured" };
    const isMet = target.atLeast === undefined ? ratio <= target.atMost : ratio >= target.atLeast;
    return { ...known, ratio, verdict: isMet ? "pass" : "FAIL" };
  });
}

/** A target that could not be measured is not met. */
export const isGatePassed = (judgements) => judgements.every(({ verdict }) => verdict === "pass");

const isOurs = ({ kind, details }, provider) => kind === "mesh" && details.provider === provider;

function isReference({ kind, version }, against) {
  if (kind !== "wireguard-go") return false;
  return against === "old" ? version === OLD_RELEASE : hasOffloads(version);
}
