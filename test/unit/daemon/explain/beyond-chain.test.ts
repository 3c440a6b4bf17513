import { describe, expect, it } from "vitest";
import type { EndFacts, Explanation, WayBeyond } from "../../../../src/api/explain.ts";
import { type BeyondFacts, explainBeyond } from "../../../../src/daemon/explain/beyond-chain.ts";
import { ALICE, BOB, DENIED, DROPS, FACTS, FAR, SILENT } from "./facts.ts";

const WEB = "203.0.113.5";
const PRINTER = "192.168.50.7";
const BY_EXIT: WayBeyond = { by: "exit", carrier: "bob", isGuarded: true, detail: "the only one asked for" };
const BY_ROUTE: WayBeyond = { by: "route", carrier: "bob", isGuarded: null, detail: "192.168.50.0/24 is behind it" };
const UPLINK = { interface: "eth1", isOurs: false, source: null, table: null };

/** Both have told their halves. */
type Known = Omit<BeyondFacts, "machineFacts" | "carrierFacts"> & { machineFacts: EndFacts; carrierFacts: EndFacts };

/** Alice sends to the internet by bob. */
const OUT: Known = {
  machine: ALICE,
  address: WEB,
  isLeaving: true,
  carrier: { ...BOB, address: WEB },
  protocol: "tcp",
  port: 443,
  machineFacts: {
    ...FACTS,
    prefix: "0.0.0.0/0",
    route: { ...FACTS.route!, table: "8326" },
    beyond: BY_EXIT,
  },
  carrierFacts: {
    ...FAR,
    path: null,
    route: UPLINK,
    carried: { isCarried: true, detail: "it carries to the internet, with its own address there" },
  },
};
/** Alice sends to a network behind bob. */
const TO_LAN: Known = {
  ...OUT,
  address: PRINTER,
  carrier: { ...BOB, address: PRINTER },
  machineFacts: { ...OUT.machineFacts, prefix: "192.168.50.0/24", route: FACTS.route, beyond: BY_ROUTE },
};
/** A host there sends to alice. */
const FROM_LAN: Known = {
  ...TO_LAN,
  isLeaving: false,
  machineFacts: { ...FAR, prefix: "192.168.50.0/24", beyond: BY_ROUTE },
  carrierFacts: { ...OUT.carrierFacts, carried: { isCarried: true, detail: "" } },
};

const V6 = {
  ...OUT,
  address: "2001:db8::7",
  machineFacts: { ...OUT.machineFacts, route: { ...UPLINK, isOurs: true } },
};
const refused = { isCarried: false, detail: "dropped as in-not-for-us: it offers no exit" };

const near = (fields: Partial<EndFacts>, base = OUT) =>
  explainBeyond({ ...base, machineFacts: { ...base.machineFacts, ...fields } });
const there = (fields: Partial<EndFacts>, base = OUT) =>
  explainBeyond({ ...base, carrierFacts: { ...base.carrierFacts, ...fields } });
const alone = (beyond: Partial<WayBeyond>, isLeaving = true) =>
  explainBeyond({
    ...OUT,
    isLeaving,
    carrier: undefined,
    machineFacts: { ...OUT.machineFacts, beyond: { ...BY_EXIT, carrier: null, ...beyond } },
  });
const layersOf = ({ steps }: Explanation) => steps.map(({ end, layer, ok }) => `${ok ? "" : "not "}${end} ${layer}`);
const said = ({ steps }: Explanation) => steps.map(({ detail }) => detail).join("\n");

describe("what leaves the mesh", () => {
  it("is delivered by an exit where every layer of both machines lets it pass", () => {
    const told = explainBeyond(OUT);
    expect(told).toMatchObject({
      verdict: "delivered",
      by: null,
      source: { name: "alice", address: "10.86.0.2" },
      destination: { name: null, address: WEB },
      carrier: "bob",
    });
    expect(layersOf(told)).toEqual([
      "source dns",
      "source exit",
      "source exit",
      "source route",
      "source host-firewall",
      "source acl",
      "source filter",
      "source connection",
      "source session",
      "source path",
      "source mtu",
      "carrier acl",
      "carrier filter",
      "carrier connection",
      "carrier exit",
      "carrier route",
      "carrier host-firewall",
    ]);
    expect(said(told)).toContain("bob carries it as the exit in use: the only one asked for");
    expect(said(told)).toContain("the exit's guard is there");
    expect(said(told)).toContain("0.0.0.0/0 leads to bob by mesh0, table 8326");
    expect(said(told)).toContain("bob: it carries to the internet");
    expect(said(told)).toContain("the host of bob sends it on by eth1");
  });

  it("is delivered to a network behind a peer without a word of exits", () => {
    const told = explainBeyond(TO_LAN);
    expect(told).toMatchObject({ verdict: "delivered", carrier: "bob" });
    expect(layersOf(told).filter((layer) => layer.endsWith("exit"))).toEqual([]);
    expect(said(told)).toContain("bob leads to 192.168.50.7: 192.168.50.0/24 is behind it");
  });

  it.each([
    ["blocked", "exit", near({ probeRttMs: null }), "the exit bob does not answer, and nothing leaves around it"],
    ["unreachable", "path", near({ probeRttMs: null }, TO_LAN), "got no answer"],
    ["unreachable", "mtu", near({ path: { ...FACTS.path!, mtuBytes: 1200 } }, V6), "1200 bytes"],
    ["blocked", "host-firewall", near({ hostFirewall: DROPS }), "alice's host drops it"],
    ["blocked", "filter", near({ filter: DENIED }), "alice denies it (out)"],
    ["blocked", "acl", near({ mayStart: false }), "connections start at bob only"],
    ["blocked", "acl", there({ inSight: false }), "bob (servers) does not see alice (humans)"],
    ["blocked", "acl", there({ mayStart: false }), "connections start at bob only"],
    ["unreachable", "route", there({ prefix: null }), "bob does not take 10.86.0.2 for an address of alice"],
    ["blocked", "filter", there({ filter: DENIED }), "bob denies it (in)"],
    ["blocked", "exit", there({ carried: refused }), "bob: dropped as in-not-for-us"],
    ["unreachable", "route", there({ carried: refused }, TO_LAN), "bob: dropped as in-not-for-us"],
    ["unreachable", "route", there({ route: { ...UPLINK, interface: null } }), "the host of bob has no route to"],
    ["unreachable", "route", there({ route: { ...UPLINK, isOurs: true } }), "back into the mesh"],
    ["blocked", "host-firewall", there({ hostFirewall: DROPS }), "the firewall of bob's host drops it"],
    [
      "blocked",
      "exit",
      alone({ by: "kept-in", detail: "IPv6 goes nowhere" }),
      "nothing leaves alice around an exit: IPv6",
    ],
    [
      "unreachable",
      "route",
      alone({ by: "host", detail: "no exit is in use" }),
      "not reached through the mesh: no exit",
    ],
  ])("is %s by %s", (verdict, by, told, reason) => {
    expect([told.verdict, told.by]).toEqual([verdict, by]);
    expect(told.reason).toContain(reason);
  });

  it("says what it does not know", () => {
    const half = explainBeyond({ ...OUT, carrierFacts: SILENT });
    expect(half).toMatchObject({ verdict: "delivered", carrier: "bob" });
    expect(half.reason).toContain("what bob does with it is not known: it did not answer");
    expect(half.steps.at(-1)).toMatchObject({ layer: "exit", end: "carrier", known: false });
    const other = explainBeyond({ ...OUT, carrier: undefined, machineFacts: SILENT });
    expect(other).toMatchObject({ verdict: "unreachable", by: "session", carrier: null });
    expect(other.reason).toContain("which way alice has to 203.0.113.5 is not known");
    expect(explainBeyond({ ...OUT, machineFacts: FACTS }).reason).toContain("too old");
  });

  it("warns of a guard that is gone", () => {
    expect(near({ beyond: { ...BY_EXIT, isGuarded: false } }).reason).toContain("the exit's guard is gone");
  });
});

describe("what comes into the mesh", () => {
  it("is never let in by an exit, unless it was asked for", () => {
    const told = explainBeyond({ ...OUT, isLeaving: false });
    expect(told).toMatchObject({
      verdict: "blocked",
      by: "exit",
      source: { name: null, address: WEB },
      carrier: "bob",
    });
    expect(told.reason).toContain("dropped as in-exit-unasked");
  });

  it("is let in from a network behind a peer by the layers of both machines", () => {
    const told = explainBeyond(FROM_LAN);
    expect(told).toMatchObject({ verdict: "delivered", destination: { name: "alice" }, carrier: "bob" });
    expect(layersOf(told)).toEqual([
      "source dns",
      "carrier route",
      "carrier route",
      "carrier host-firewall",
      "carrier acl",
      "carrier filter",
      "carrier connection",
      "destination session",
      "destination path",
      "destination mtu",
      "destination route",
      "destination acl",
      "destination filter",
      "destination connection",
      "destination host-firewall",
    ]);
  });

  it.each([
    [
      "unreachable",
      "route",
      alone({ by: "host", detail: "no peer leads to it" }, false),
      "takes 203.0.113.5 for nobody's",
    ],
    ["blocked", "filter", there({ filter: DENIED }, FROM_LAN), "bob denies it (out)"],
    ["blocked", "acl", near({ mayStart: false }, FROM_LAN), "connections start at alice only"],
    ["blocked", "filter", near({ filter: DENIED }, FROM_LAN), "alice denies it (in)"],
    ["unreachable", "path", near({ path: null }, FROM_LAN), "no path to bob works"],
    ["unreachable", "route", there({ carried: { isCarried: false, detail: "off" } }, FROM_LAN), "bob: off"],
    ["blocked", "host-firewall", near({ hostFirewall: DROPS }, FROM_LAN), "alice's host drops it"],
  ])("is %s by %s", (verdict, by, told, reason) => {
    expect([told.verdict, told.by]).toEqual([verdict, by]);
    expect(told.reason).toContain(reason);
  });
});
