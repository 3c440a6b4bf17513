import { describe, expect, it } from "vitest";
import type { RouteView } from "../../../../src/api/local-exit.ts";
import { type ExitAsked, type WayOutFacts, wayIn, wayOut } from "../../../../src/daemon/explain/way-beyond.ts";

const WEB = "203.0.113.5";
const WEB6 = "2001:db8::7";
const PRINTER = "192.168.50.7";

const into = { interface: "mesh0", isOurs: true, source: null, table: "8326" };
const by = (name: string | null) => ({ interface: name, isOurs: false, source: null });
const BOTH = ["ipv4", "ipv6"] as const;
const EXIT: ExitAsked = {
  standings: [{ name: "bob", state: "not asked" }],
  using: "bob",
  itsFamilies: BOTH,
  families: BOTH,
  isGuarded: true,
  beside: undefined,
};
const LIST: ExitAsked["standings"] = [
  { name: "carol", state: "silent" },
  { name: "bob", state: "answers" },
  { name: "dave", state: "not asked" },
];
const ROUTE: RouteView = { cidr: "192.168.50.0/24", peer: "bob", inForce: true, detail: "accepted" };
const WIDER: RouteView = { ...ROUTE, cidr: "192.168.0.0/16", peer: "carol" };
const UNACCEPTED: RouteView = { ...ROUTE, inForce: false, detail: "not accepted here" };
const OWN: RouteView = { ...ROUTE, peer: null };

const out = (facts: Partial<WayOutFacts>) =>
  wayOut({ address: WEB, host: into, peer: "bob", routes: [], exit: EXIT, ...facts });
const passes = { passes: true, detail: "the local network stays within reach" };
const stays = { passes: false, detail: "the local network is cut off" };

describe("the way out of the mesh", () => {
  it.each([
    ["an exit alone", out({}), "exit", "bob", "the only one asked for"],
    ["an exit, IPv6", out({ address: WEB6 }), "exit", "bob", "the only one asked for"],
    [
      "the one of several that answers",
      out({ exit: { ...EXIT, standings: LIST } }),
      "exit",
      "bob",
      "the first that answered of carol (silent), bob (answers), dave (not asked)",
    ],
    [
      "the first of several",
      out({ exit: { ...EXIT, standings: LIST.slice(1) } }),
      "exit",
      "bob",
      "the first of bob (answers), dave (not asked)",
    ],
    [
      "none that can be used",
      out({ peer: null, exit: { ...EXIT, using: null, standings: [{ name: "bob", state: "offers none" }] } }),
      "kept-in",
      null,
      "none of the exits asked for can be used: bob (offers none)",
    ],
    [
      "an exit without IPv6",
      out({ address: WEB6, host: by(null), peer: null, exit: { ...EXIT, itsFamilies: ["ipv4"], families: ["ipv4"] } }),
      "kept-in",
      null,
      "IPv6 goes nowhere: the exit bob has none",
    ],
    [
      "an exit with IPv6, and no IPv6 here",
      out({ address: WEB6, host: by(null), peer: null, exit: { ...EXIT, families: ["ipv4"] } }),
      "kept-in",
      null,
      "IPv6 goes nowhere: this machine has none in the mesh",
    ],
    [
      "an exit, and a private address",
      out({ address: "10.9.8.7", peer: null }),
      "kept-in",
      null,
      "an exit leads to the internet alone, and 10.0.0.0/8 is none of it",
    ],
    [
      "an exit, and what clouds answer at",
      out({ address: "169.254.169.254", peer: null }),
      "kept-in",
      null,
      "an exit leads to the internet alone, and 169.254.0.0/16 is none of it",
    ],
    ["an exit that is just put in force", out({ peer: null }), "kept-in", null, "the way by bob is not in force yet"],
    [
      "a route around the exit",
      out({ host: by("eth0"), exit: { ...EXIT, beside: { passes: false, detail: "by an exit, or not at all" } } }),
      "kept-in",
      null,
      "its host sends it by eth0, where the guard keeps it in: by an exit, or not at all",
    ],
    [
      "a route around the exit whose guard is gone",
      out({ host: by("eth0"), exit: { ...EXIT, isGuarded: false, beside: { passes: false, detail: "" } } }),
      "host",
      null,
      "its host sends it by eth0, around the exit: the guard is gone, see `mesh exit check`",
    ],
    [
      "the local network with --exit-allow-lan",
      out({ address: PRINTER, host: by("eth0"), peer: null, exit: { ...EXIT, beside: passes } }),
      "host",
      null,
      "its host sends it by eth0, beside the exit: the local network stays within reach",
    ],
    [
      "the local network without",
      out({ address: PRINTER, host: by("eth0"), peer: null, exit: { ...EXIT, beside: stays } }),
      "kept-in",
      null,
      "its host sends it by eth0, where the guard keeps it in: the local network is cut off",
    ],
    ["an address of this host", out({ address: PRINTER, host: by("lo") }), "host", null, "it stays on its host"],
    [
      "no exit",
      out({ host: by("eth0"), peer: null, exit: undefined }),
      "host",
      null,
      "no exit is in use, and its host sends it by eth0, outside the mesh",
    ],
    [
      "no exit, and no route of the host's",
      out({ host: by(null), peer: null, exit: undefined }),
      "host",
      null,
      "no exit is in use, and its host has no route to it, outside the mesh",
    ],
    [
      "no exit, and a route of somebody else's into the tunnel",
      out({ peer: null, exit: undefined }),
      "host",
      null,
      "no exit is in use, and its host sends it into the mesh, where no peer leads to it",
    ],
    [
      "an accepted route, the narrowest",
      out({ address: PRINTER, routes: [WIDER, ROUTE, OWN], exit: undefined }),
      "route",
      "bob",
      "192.168.50.0/24 is behind it: approved, and accepted here",
    ],
    [
      "an accepted route rather than an exit",
      out({ address: PRINTER, routes: [ROUTE], exit: { ...EXIT, using: "carol" } }),
      "route",
      "bob",
      "192.168.50.0/24 is behind it: approved, and accepted here",
    ],
    [
      "a route that is not accepted",
      out({ address: PRINTER, host: by("eth0"), peer: null, routes: [UNACCEPTED], exit: undefined }),
      "host",
      null,
      "192.168.50.0/24 behind bob is not reached through it: not accepted here; no exit is in use, and its host sends it by eth0, outside the mesh",
    ],
    [
      "a route that is not accepted, and an exit",
      out({ address: PRINTER, peer: null, routes: [UNACCEPTED] }),
      "kept-in",
      null,
      "192.168.50.0/24 behind bob is not reached through it: not accepted here; an exit leads to the internet alone, and 192.168.0.0/16 is none of it",
    ],
  ])("%s", (_, way, word, carrier, detail) => {
    expect(way).toMatchObject({ by: word, carrier, detail });
  });

  it("has a guard only with an exit", () => {
    expect(out({}).isGuarded).toBe(true);
    expect(out({ exit: { ...EXIT, isGuarded: false } }).isGuarded).toBe(false);
    expect(out({ exit: undefined }).isGuarded).toBeNull();
  });
});

describe("the way into the mesh", () => {
  it.each([
    ["from an exit", wayIn(WEB, { peer: "bob", routes: [], isUnasked: true }), "exit", "bob"],
    [
      "from a network behind a peer",
      wayIn(PRINTER, { peer: "bob", routes: [ROUTE], isUnasked: false }),
      "route",
      "bob",
    ],
    ["from nowhere", wayIn(WEB, { peer: null, routes: [ROUTE], isUnasked: false }), "host", null],
  ])("%s", (_, way, word, carrier) => {
    expect(way).toMatchObject({ by: word, carrier });
  });
});
