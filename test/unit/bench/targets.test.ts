import { describe, expect, it } from "vitest";
import { isGatePassed, judge } from "../../../bench/lib/targets.mjs";

const ours = { name: "mesh", kind: "mesh", version: "", details: { provider: "openssl" } };
const oursWithSodium = { name: "mesh-sodium", kind: "mesh", version: "", details: { provider: "sodium" } };
const current = { name: "new-go", kind: "wireguard-go", version: "0.0.20231211", details: {} };
const old = { name: "old-go", kind: "wireguard-go", version: "0.0.20220316", details: {} };
const everyone = [ours, oursWithSodium, current, old];

/** As fast as every target asks for, to the point. */
const FIGURES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  mesh: { tcp1: 5, tcp1r: 5, tcp4: 6, tcp4r: 6, udp64: 200, rtt: 70, rttrow: 35 },
  "mesh-sodium": { tcp1: 3.5, tcp1r: 3.5 },
  "new-go": { tcp1: 5, tcp1r: 5, tcp4: 5, tcp4r: 5, udp64: 100, rtt: 100, rttrow: 50 },
  "old-go": { tcp1: 1, tcp1r: 1 },
};

function figures(changed: Readonly<Record<string, readonly number[]>> = {}) {
  return (contender: string, measure: string) => {
    const value = FIGURES[contender]?.[measure];
    return changed[`${contender} ${measure}`] ?? (value === undefined ? [] : [value, value, value]);
  };
}

describe("the targets", () => {
  it("are met at their bounds", () => {
    const judgements = judge(everyone, figures());
    expect(judgements.map(({ verdict, title }) => `${title}: ${verdict}`)).toEqual(
      judgements.map(({ title }) => `${title}: pass`),
    );
    expect(judgements.map(({ ratio }) => ratio)).toEqual([1, 1.2, 2, 0.7, 0.7, 5, 0.7]);
    expect(isGatePassed(judgements)).toBe(true);
  });

  it.each([
    { missed: "UDP 64 B delivered", changed: { "mesh udp64": [199, 199, 199] } },
    { missed: "ping RTT, in a row", changed: { "mesh rttrow": [36, 36, 36] } },
    { missed: "four TCP streams", changed: { "new-go tcp4": [5.1], "new-go tcp4r": [5.1] } },
    { missed: "one TCP stream, sodium", changed: { "mesh-sodium tcp1": [3.4], "mesh-sodium tcp1r": [3.4] } },
  ])("fail beyond their bounds: $missed", ({ missed, changed }) => {
    const judgements = judge(everyone, figures(changed as Record<string, number[]>));
    const failed = judgements.filter(({ verdict }) => verdict === "FAIL");
    expect(failed.map(({ title }) => title)).toEqual([missed]);
    expect(isGatePassed(judgements)).toBe(false);
  });

  it("take the median of both directions together: one lucky run changes nothing", () => {
    const changed = { "mesh udp64": [190, 900, 180] };
    const [udp] = judge(everyone, figures(changed)).filter(({ title }) => title === "UDP 64 B delivered");
    expect(udp).toMatchObject({ ratio: 1.9, verdict: "FAIL", bound: "≥ 2 ×", ours: "mesh", theirs: "new-go" });
    const pooled = { "mesh tcp4": [7, 7, 7], "mesh tcp4r": [5.6, 5.6, 5.6] };
    const [tcp] = judge(everyone, figures(pooled)).filter(({ title }) => title === "four TCP streams");
    expect(tcp).toMatchObject({ ratio: 6.3 / 5, verdict: "pass" });
  });

  it.each([
    { lacking: "the other contender", contenders: [ours, oursWithSodium, old], valuesOf: figures() },
    { lacking: "the measure", contenders: everyone, valuesOf: figures({ "new-go udp64": [] }) },
    { lacking: "any figure of theirs", contenders: everyone, valuesOf: figures({ "new-go udp64": [0, 0, 0] }) },
  ])("are not passed without $lacking", ({ contenders, valuesOf }) => {
    const judgements = judge(contenders, valuesOf);
    const udp = judgements.find(({ title }) => title === "UDP 64 B delivered");
    expect(udp?.verdict).toBe("not measured");
    expect(isGatePassed(judgements)).toBe(false);
  });
});
