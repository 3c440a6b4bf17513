import { describe, expect, it } from "vitest";
import { homeRelays } from "../../../src/coord/relays/home-relays.ts";
import { randomKey } from "../../support/network-map.ts";

const present = (...ids: string[]) => ids.map((id) => ({ id, isAway: false }));

describe("the choice of a peer's home relays", () => {
  it("is a stand-alone one before the coordinator's, and two at most", () => {
    const key = randomKey();
    expect(homeRelays(key, { standalone: [], hasOwn: true }, [])).toEqual(["coordinator"]);
    expect(homeRelays(key, { standalone: present("a"), hasOwn: true }, [])).toEqual(["a", "coordinator"]);
    expect(homeRelays(key, { standalone: present("a", "b", "c"), hasOwn: true }, [])).toHaveLength(2);
    expect(homeRelays(key, { standalone: [], hasOwn: false }, [])).toEqual([]);
  });

  it("spreads peers over the relays, and moves only those of a relay that goes", () => {
    const keys = Array.from({ length: 300 }, randomKey);
    const choice = { standalone: present("a", "b", "c"), hasOwn: true };
    const before = keys.map((key) => homeRelays(key, choice, [])[0]);
    for (const id of ["a", "b", "c"]) expect(before.filter((first) => first === id).length).toBeGreaterThan(60);
    const after = keys.map((key) => homeRelays(key, { ...choice, standalone: present("a", "b") }, [])[0]);
    expect(after.filter((first, i) => before[i] !== "c" && first !== before[i])).toEqual([]);
  });

  it("puts relays last that are out of sight, and behind them those that the peer does not reach", () => {
    const key = randomKey();
    const standalone = [{ id: "gone", isAway: true }, ...present("a")];
    expect(homeRelays(key, { standalone, hasOwn: true }, [])).toEqual(["a", "coordinator"]);
    expect(homeRelays(key, { standalone, hasOwn: false }, [])).toEqual(["a", "gone"]);
    expect(homeRelays(key, { standalone, hasOwn: true }, ["a"])).toEqual(["coordinator", "gone"]);
    expect(homeRelays(key, { standalone: present("a"), hasOwn: false }, ["a"])).toEqual(["a"]);
  });
});
