import { describe, expect, it } from "vitest";
import { type EndFacts, halfAnswerSchema } from "../../../../src/api/explain.ts";
import { type ChainFacts, explainChain } from "../../../../src/daemon/explain/chain.ts";
import { MAX_INQUIRY_BODY_BYTES } from "../../../../src/router/inquiry.ts";

const FACTS: EndFacts = {
  inSight: true,
  mayStart: true,
  prefix: "10.86.0.3/32",
  route: { interface: "mesh0", isOurs: true, source: "10.86.0.2" },
  filter: { verdict: "accept", layer: "default", rule: null },
  tracked: 0,
  session: { isUp: true, lastHandshakeAt: "2026-01-01T00:00:00.000Z" },
  path: { transport: "udp", endpoint: "192.0.2.3:51820", rttMs: 0.5, mtuBytes: 1420, detail: "" },
  probeRttMs: 0.4,
  mtuBytes: 1420,
  hostFirewall: { state: "clear", detail: "nothing found that drops it" },
};
const FAR: EndFacts = { ...FACTS, prefix: "10.86.0.2/32", route: null, probeRttMs: null };
const RULE = { id: "1f2e3d4c", text: "deny in tcp 22 from any to any" };
const SILENT = "it did not answer the question";

const CHAIN: ChainFacts = {
  source: { name: "alice", cidr: "humans", address: "10.86.0.2", publicKey: undefined },
  destination: { name: "bob", cidr: "servers", address: "10.86.0.3", publicKey: "bob" },
  protocol: "tcp",
  port: 22,
  sourceFacts: FACTS,
  destinationFacts: FAR,
};
const near = (fields: Partial<EndFacts>) => explainChain({ ...CHAIN, sourceFacts: { ...FACTS, ...fields } });
const far = (fields: Partial<EndFacts>) => explainChain({ ...CHAIN, destinationFacts: { ...FAR, ...fields } });
const verdictOf = ({ verdict, by }: ReturnType<typeof near>) => [verdict, by];
const denied = { verdict: "deny", layer: "local", rule: RULE } as const;
const drops = { state: "drops", detail: "table inet fw, chain input: policy drop" } as const;

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
    ["host-firewall", near({ hostFirewall: drops }), "blocked"],
    ["acl", near({ inSight: false }), "blocked"],
    ["acl", near({ mayStart: false }), "blocked"],
    ["acl", near({ filter: { verdict: "one-way", layer: "default", rule: null } }), "blocked"],
    ["filter", near({ filter: denied }), "blocked"],
    ["session", near({ session: { isUp: false, lastHandshakeAt: null }, probeRttMs: null }), "unreachable"],
    ["path", near({ probeRttMs: null }), "unreachable"],
    ["path", near({ probeRttMs: null, path: null }), "unreachable"],
    ["acl", far({ inSight: false }), "blocked"],
    ["acl", far({ mayStart: false }), "blocked"],
    ["route", far({ prefix: null }), "unreachable"],
    ["filter", far({ filter: { ...denied, verdict: "reject" } }), "blocked"],
    ["host-firewall", far({ hostFirewall: drops }), "blocked"],
  ] as const)("ends at %s", (layer, told, verdict) => {
    expect(verdictOf(told)).toEqual([verdict, layer]);
    expect(told.reason).toBe(told.steps.find(({ ok }) => !ok)?.detail);
  });

  it("has the first layer that stops it give the verdict, and shows the others", () => {
    const told = explainChain({
      ...CHAIN,
      sourceFacts: { ...FACTS, filter: denied },
      destinationFacts: { ...FAR, hostFirewall: drops },
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

describe("what one end answers", () => {
  it("fits into a message with all words at their longest", () => {
    const long = "x".repeat(1000);
    const facts: EndFacts = {
      ...FACTS,
      prefix: "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
      route: { interface: "x".repeat(15), isOurs: true, source: "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
      filter: { verdict: "accept", layer: "coordinator", rule: { id: "x".repeat(64), text: long } },
      tracked: 65_536,
      path: { transport: "relay", endpoint: long, rttMs: 1234.567_890_123_4, mtuBytes: 65_535, detail: long },
      probeRttMs: 1234.567_890_123_4,
      hostFirewall: { state: "unreadable", detail: long },
    };
    const bytes = Buffer.byteLength(JSON.stringify(halfAnswerSchema.parse({ facts })));
    expect(bytes).toBeLessThanOrEqual(MAX_INQUIRY_BODY_BYTES);
  });
});
