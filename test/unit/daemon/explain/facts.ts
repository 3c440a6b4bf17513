import type { EndFacts } from "../../../../src/api/explain.ts";

/** Of alice, who sends to bob by a path that works. */
export const FACTS: EndFacts = {
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
/** Of bob, to whom it is sent. */
export const FAR: EndFacts = { ...FACTS, prefix: "10.86.0.2/32", route: null, probeRttMs: null };
export const RULE = { id: "1f2e3d4c", text: "deny in tcp 22 from any to any" };
export const DENIED = { verdict: "deny", layer: "local", rule: RULE } as const;
export const DROPS = { state: "drops", detail: "table inet fw, chain input: policy drop" } as const;
export const SILENT = "it did not answer the question";

export const ALICE = { name: "alice", cidr: "humans", address: "10.86.0.2", publicKey: undefined } as const;
export const BOB = { name: "bob", cidr: "servers", address: "10.86.0.3", publicKey: "bob" } as const;
