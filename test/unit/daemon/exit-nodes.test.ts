import { describe, expect, it } from "vitest";
import { exitNodePeers, requireExits } from "../../../src/daemon/exit/exit-nodes.ts";
import { exitStandings } from "../../../src/daemon/exit/exit-standings.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";

describe("the exits that are meant", () => {
  const both = ["ipv4" as const, "ipv6" as const];
  const map = networkMap([
    mapPeer("carol", 4, { exit: both, tags: ["berlin"] }),
    mapPeer("bob", 3, { exit: ["ipv4"], tags: ["berlin", "mute"] }),
    mapPeer("dave", 5, { tags: ["mute"] }),
    mapPeer("erin", 6, { exit: both, mayStart: "peer" }),
  ]);
  const names = (...nodes: string[]) => exitNodePeers(nodes, map).map(({ name }) => name);

  it("are peers in the order of the list, those of a tag by their names, each once", () => {
    expect(names("carol", "bob")).toEqual(["carol", "bob"]);
    expect(names("tag:berlin")).toEqual(["bob", "carol"]);
    expect(names("carol", "tag:berlin", "nobody")).toEqual(["carol", "bob"]);
  });

  it.each([
    ["nobody", "not-found", "there is no peer nobody"],
    ["tag:none", "not-found", "no peer has the tag none"],
    [map.self.name, "exit-is-self", `${map.self.name} is this machine itself`],
    ["dave", "exit-not-offered", "dave offers no exit"],
    ["erin", "exit-forbidden", "erin is no exit for this machine, which may not start connections to it"],
  ])("%s is refused with %s", (node, code, message) => {
    expect(() => requireExits(["bob", node], map)).toThrow(expect.objectContaining({ code, message }));
  });

  it("stand in their order, each once, by who they are and whether they answer", () => {
    const nodes = ["nobody", "bob", "tag:berlin", "dave", "erin"];
    const standings = exitStandings(nodes, map, ({ name }) => (name === "bob" ? "answers" : "not asked"));
    expect(standings.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "nobody not there",
      "bob answers",
      "carol not asked",
      "dave offers none",
      "erin offers none",
    ]);
  });

  it("are those of a tag where one of them offers", () => {
    expect(() => requireExits(["tag:mute", "bob"], map)).not.toThrow();
  });
});
