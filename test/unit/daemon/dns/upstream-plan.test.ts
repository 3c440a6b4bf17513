import { describe, expect, it } from "vitest";
import { planUpstreams, type UpstreamSources } from "../../../../src/daemon/dns/upstream-plan.ts";

const plan = (fields: Partial<UpstreamSources>, dns: Partial<UpstreamSources["dns"]> = {}) =>
  planUpstreams({
    dns: { records: [], servers: [], splits: [], ...dns },
    system: { servers: ["192.0.2.53"], source: "/etc/resolv.conf" },
    exit: undefined,
    own: ["10.86.0.1", "fd86::1", "127.0.0.99"],
    domain: "mesh",
    neighbours: [],
    ...fields,
  }).map(({ suffix, servers, reason, skipped }) => [suffix, servers.join(), reason, skipped.join()]);

const SPLITS = [
  { suffix: "corp.example", servers: ["192.0.2.1"] },
  { suffix: "lab.corp.example", servers: ["192.0.2.2", "10.86.0.1"] },
];
const exit = { name: "berlin", ip4: "10.86.0.9" };

it("this host's own servers are asked, unless the network has some; its suffixes beside them", () => {
  expect(plan({})).toEqual([[null, "192.0.2.53", "this host's own, of /etc/resolv.conf", ""]]);
  expect(plan({}, { splits: SPLITS, servers: ["198.51.100.53"] })).toEqual([
    ["corp.example", "192.0.2.1", "the network's for this suffix", ""],
    ["lab.corp.example", "192.0.2.2", "the network's for this suffix", "10.86.0.1"],
    [null, "198.51.100.53", "the network's", ""],
  ]);
});

it("through an exit the local network's servers are not asked", () => {
  expect(plan({ exit })).toEqual([[null, "10.86.0.9", "the exit's own, through the exit berlin", ""]]);
  expect(plan({ exit }, { servers: ["198.51.100.53"], splits: SPLITS.slice(0, 1) })).toEqual([
    ["corp.example", "192.0.2.1", "the network's for this suffix, through the exit berlin", ""],
    [null, "198.51.100.53", "the network's, through the exit berlin", ""],
  ]);
});

it("while an exit is awaited nobody is asked around it", () => {
  expect(plan({ exit: "awaited" })).toEqual([[null, "", "the exit's own, once an exit can be used", ""]]);
});

it("nobody asks itself", () => {
  const system = { servers: ["127.0.0.99", "fd86::1", "127.0.0.53"], source: "/etc/resolv.conf" };
  expect(plan({ system })).toEqual([
    [null, "127.0.0.53", "this host's own, of /etc/resolv.conf", "127.0.0.99,fd86::1"],
  ]);
});

describe("with other networks of this machine", () => {
  const dns = { server: "127.0.0.77", domain: "work", zones: ["99.10.in-addr.arpa"] };
  const work = { network: "work", exit: false, dns };
  const ours = "this host's own, of /etc/resolv.conf";

  it("names of theirs are asked of them, our own suffixes first", () => {
    const because = "the network work, joined here too";
    expect(plan({ neighbours: [work] }, { splits: SPLITS.slice(0, 1) })).toEqual([
      ["corp.example", "192.0.2.1", "the network's for this suffix", ""],
      ["work", "127.0.0.77", because, ""],
      ["99.10.in-addr.arpa", "127.0.0.77", because, ""],
      [null, "192.0.2.53", ours, ""],
    ]);
  });

  it("one without a name server, or with names that are ours too, is asked nothing", () => {
    const named = (domain: string) => ({ ...work, dns: { ...dns, domain, zones: [] } });
    for (const neighbour of [{ ...work, dns: null }, named("mesh"), named("lab.mesh")]) {
      expect(plan({ neighbours: [neighbour] })).toEqual([[null, "192.0.2.53", ours, ""]]);
    }
    expect(plan({ neighbours: [named("mesh.example")] })[0]?.[0]).toBe("mesh.example");
  });

  it("while one of them uses an exit, all that it is to hide is asked of it", () => {
    expect(plan({ neighbours: [{ ...work, exit: true }] }).at(-1)).toEqual([
      null,
      "127.0.0.77",
      "the network work, whose exit is used",
      "",
    ]);
  });
});
