import { describe, expect, it } from "vitest";
import type { EndFacts } from "../../../../src/api/explain.ts";
import { type ChainFacts, explainChain } from "../../../../src/daemon/explain/chain.ts";
import { ALICE, BOB, DENIED, DROPS, FACTS, FAR, RULE, SILENT } from "./facts.ts";

const CHAIN: ChainFacts = {
  source: ALICE,
  destination: BOB,
  protocol: "tcp",
  port: 22,
  sourceFacts: FACTS,
  destinationFacts: FAR,
};
const near = (fields: Partial<EndFacts>) => explainChain({ ...CHAIN, sourceFacts: { ...FACTS, ...fields } });
const far = (fields: Partial<EndFacts>) => explainChain({ ...CHAIN, destinationFacts: { ...FAR, ...fields } });
const verdictOf = ({ verdict, by }: ReturnType<typeof near>) => [verdict, by];

describe("the chain of layers", () => {
  it("delivers what every layer lets pass", () => {
    const told = explainChain(CHAIN);
    expect(told).toMatchObject({ verdict: "delivered", by: null, reason: "every layer lets it pass" });
    expect(told.steps.every(({ ok, known }) => ok && known)).toBe(true);
    expect(told.steps.find(({ layer }) => layer === "path")?.detail).toBe("udp 192.0.2.3:51820, 0.4 ms");
  });

  it.each([
    ["route", near({ route: { interface: "eth0", isOurs: false, source: null } }), "unreachable"],
    ["route", near({ route: { interface: null, isOurs: false, source: null } }), "unreachable"],
    ["route", near({ prefix: null }), "unreachable"],
    ["route", near({ route: { interface: "mesh0", isOurs: true, source: "192.0.2.2" } }), "unreachable"],
    ["host-firewall", near({ hostFirewall: DROPS }), "blocked"],
    ["acl", near({ inSight: false }), "blocked"],
    ["acl", near({ mayStart: false }), "blocked"],
    ["acl", near({ filter: { verdict: "one-way", layer: "default", rule: null } }), "blocked"],
    ["filter", near({ filter: DENIED }), "blocked"],
    ["session", near({ session: { isUp: false, lastHandshakeAt: null }, probeRttMs: null }), "unreachable"],
    ["path", near({ probeRttMs: null }), "unreachable"],
    ["path", near({ probeRttMs: null, path: null }), "unreachable"],
    ["acl", far({ inSight: false }), "blocked"],
    ["acl", far({ mayStart: false }), "blocked"],
    ["route", far({ prefix: null }), "unreachable"],
    ["filter", far({ filter: { ...DENIED, verdict: "reject" } }), "blocked"],
    ["host-firewall", far({ hostFirewall: DROPS }), "blocked"],
  ] as const)("ends at %s", (layer, told, verdict) => {
    expect(verdictOf(told)).toEqual([verdict, layer]);
    expect(told.reason).toBe(told.steps.find(({ ok }) => !ok)?.detail);
  });

  it("has the first layer that stops it give the verdict, and shows the others", () => {
    const told = explainChain({
      ...CHAIN,
      sourceFacts: { ...FACTS, filter: DENIED },
      destinationFacts: { ...FAR, hostFirewall: DROPS },
    });
    expect(told.by).toBe("filter");
    expect(told.steps.filter(({ ok }) => !ok).map(({ layer }) => layer)).toEqual(["filter", "host-firewall"]);
    expect(told.steps.find(({ layer }) => layer === "filter")?.rule).toEqual(RULE);
  });

  it("says what it does not know", () => {
    const half = explainChain({ ...CHAIN, destinationFacts: SILENT });
    expect(half.verdict).toBe("delivered");
    expect(half.reason).toContain("what bob does with it is not known: it did not answer");
    expect(half.steps.at(-1)).toMatchObject({ layer: "filter", end: "destination", ok: true, known: false });
    const unread = near({ hostFirewall: { state: "unreadable", detail: "there is no program `nft`" } });
    expect([unread.verdict, unread.reason]).toEqual(["delivered", expect.stringContaining("cannot be read")]);
    const unmeasured = near({ path: { ...FACTS.path!, mtuBytes: null } });
    expect(unmeasured.steps.find(({ layer }) => layer === "mtu")?.known).toBe(false);
  });

  it("takes the destination's word for session and path where the source is silent", () => {
    const told = explainChain({ ...CHAIN, sourceFacts: SILENT });
    expect(verdictOf(told)).toEqual(["delivered", null]);
    expect(told.steps.find(({ layer }) => layer === "session")?.end).toBe("destination");
    const away = { ...FAR, path: null };
    expect(verdictOf(explainChain({ ...CHAIN, sourceFacts: SILENT, destinationFacts: away }))).toEqual([
      "unreachable",
      "path",
    ]);
    expect(verdictOf(explainChain({ ...CHAIN, sourceFacts: SILENT, destinationFacts: SILENT }))).toEqual([
      "unreachable",
      "session",
    ]);
  });

  it("counts IPv6 as lost on a path that carries less than its smallest packets", () => {
    const source = { ...CHAIN.source, address: "fd86::2" };
    const sourceFacts = {
      ...FACTS,
      route: { ...FACTS.route!, source: null },
      path: { ...FACTS.path!, mtuBytes: 1200 },
    };
    expect(verdictOf(explainChain({ ...CHAIN, source, sourceFacts }))).toEqual(["unreachable", "mtu"]);
    expect(verdictOf(explainChain({ ...CHAIN, sourceFacts }))).toEqual(["delivered", null]);
  });
});
