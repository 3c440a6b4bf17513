import { describe, expect, it } from "vitest";
import { type EndFacts, halfAnswerSchema } from "../../../../src/api/explain.ts";
import { withoutRules, writeAnswer } from "../../../../src/daemon/explain/answer.ts";
import { MAX_INQUIRY_BODY_BYTES } from "../../../../src/router/shared/inquiry.ts";
import { DENIED, DROPS, FACTS } from "./facts.ts";

const LONG = "x".repeat(1000);
const V6 = "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
/** All names and words at their longest. */
const LONGEST: EndFacts = {
  ...FACTS,
  prefix: `${V6}/128`,
  route: { interface: "x".repeat(15), isOurs: true, source: V6, table: "x".repeat(16) },
  filter: { verdict: "accept", layer: "coordinator", rule: { id: "x".repeat(64), text: LONG } },
  tracked: 65_536,
  path: { transport: "relay", endpoint: LONG, rttMs: 1234.567_890_123_4, mtuBytes: 65_535, detail: LONG },
  probeRttMs: 1234.567_890_123_4,
  hostFirewall: { state: "unreadable", detail: LONG },
};
const BEYOND = { by: "kept-in", carrier: "x".repeat(63), isGuarded: false, detail: LONG } as const;
const read = (body: Uint8Array) => halfAnswerSchema.parse(JSON.parse(Buffer.from(body).toString("utf8")));

describe("what a machine answers", () => {
  it.each([
    ["an end", LONGEST],
    ["an end of what leaves the mesh", { ...LONGEST, beyond: BEYOND }],
    ["who carries it", { ...LONGEST, carried: { isCarried: false, detail: LONG } }],
    ["words of three bytes a letter", { ...LONGEST, beyond: { ...BEYOND, detail: "€".repeat(1000) } }],
  ])("fits into a message with all words at their longest: %s", (_, facts) => {
    const body = writeAnswer({ facts });
    expect(body.length).toBeLessThanOrEqual(MAX_INQUIRY_BODY_BYTES);
    const told = read(body);
    if (!("facts" in told)) throw new Error("refused");
    expect(told.facts.beyond?.carrier).toBe(facts.beyond?.carrier);
    expect(told.facts.route).toEqual(facts.route);
  });

  it("is told as it is where it fits", () => {
    const facts: EndFacts = {
      ...FACTS,
      route: { ...FACTS.route!, table: "8326" },
      beyond: { by: "exit", carrier: "bob", isGuarded: true, detail: "the only one asked for" },
    };
    expect(read(writeAnswer({ facts }))).toEqual({ facts });
    expect(read(writeAnswer({ refused: "not-an-end" }))).toEqual({ refused: "not-an-end" });
  });

  it("leaves out rules, the firewall's words and other exits for who is no admin", () => {
    const beyond = { by: "exit", carrier: "bob", isGuarded: true, detail: "the first of bob, carol" } as const;
    const told = withoutRules({ ...FACTS, filter: DENIED, hostFirewall: DROPS, beyond });
    expect(told.filter).toEqual({ ...DENIED, rule: null });
    expect(told.hostFirewall).toEqual({ state: "drops", detail: "it has a rule or policy to" });
    expect(told.beyond).toEqual({ ...beyond, detail: "" });
  });
});
