import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DnsRecord } from "../../../src/api/dns-record.ts";
import { Rcode } from "../../../src/dns/constants.ts";
import { reverseName } from "../../../src/dns/zone/reverse.ts";
import { Zone } from "../../../src/dns/zone/zone.ts";
import { lines } from "../../support/dns/messages.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";

const record = (name: string, type: DnsRecord["type"], data: string, ttlSeconds: number | null = null): DnsRecord => ({
  name,
  type,
  data,
  ttlSeconds,
});
const dns = (...records: DnsRecord[]) => ({ records, servers: [], splits: [] });

const alice = mapPeer("alice", 2, { ip6: "fd86::abcd:2" });
const bob = mapPeer("bob", 3, { cidr: "servers" });
const zone = new Zone(
  networkMap([alice, bob], {
    version: 7,
    dns: dns(
      record("www", "CNAME", "web.mesh"),
      record("web", "A", "10.86.0.3"),
      record("web", "A", "203.0.113.9", 60),
      record("web", "AAAA", "2001:db8::9"),
      record("_https._tcp.web", "SRV", "0 5 443 bob.mesh"),
      record("git.alice", "CNAME", "alice.mesh"),
      record("note", "TXT", "x".repeat(300)),
      record("alice", "TXT", "a person"),
      // Came to stand beside a peer of that name after it was added: the peer's word counts.
      record("bob", "A", "192.0.2.66"),
      record("out", "CNAME", "example.com"),
      record("loop-a", "CNAME", "loop-b.mesh"),
      record("loop-b", "CNAME", "loop-a.mesh"),
      record("gone", "CNAME", "nobody.mesh"),
    ),
  }),
);

const ask = (name: string, type: string) => {
  const answer = zone.lookup(name, type);
  if (answer === undefined) return "not ours";
  const word = Object.entries(Rcode).find(([, code]) => code === answer.rcode)?.[0];
  return [
    word,
    ...lines(answer.answers),
    ...(answer.authorities.length > 0 ? [`SOA ${answer.authorities[0]?.name}`] : []),
  ];
};

describe("names of the mesh", () => {
  it.each([
    ["alice.mesh", "A", ["noError", "alice.mesh A 10.86.0.2"]],
    ["alice.mesh", "AAAA", ["noError", "alice.mesh AAAA fd86::abcd:2"]],
    ["me.mesh", "A", ["noError", "me.mesh A 10.86.0.1"]],
    ["bob.servers.mesh", "A", ["noError", "bob.servers.mesh A 10.86.0.3"]],
    ["bob.members.mesh", "A", ["nxDomain", "SOA mesh"]],
    // RFC 4343: in the asker's own case.
    ["ALICE.Mesh", "A", ["noError", "ALICE.Mesh A 10.86.0.2"]],
    ["bob.mesh", "A", ["noError", "bob.mesh A 10.86.0.3"]],
    ["alice.mesh", "TXT", ["noError", "alice.mesh TXT a person"]],
    ["note.mesh", "TXT", ["noError", `note.mesh TXT ${"x".repeat(300)}`]],
    [
      "_https._tcp.web.mesh",
      "SRV",
      ["noError", '_https._tcp.web.mesh SRV {"priority":0,"weight":5,"port":443,"target":"bob.mesh"}'],
    ],
    ["mesh", "NS", ["noError", "mesh NS me.mesh"]],
    ["example.com", "A", "not ours"],
    ["notmesh", "A", "not ours"],
    ["xmesh", "A", "not ours"],
  ])("%s %s", (name, type, expected) => {
    expect(ask(name, type)).toEqual(expected);
  });

  it.each([
    ["a name with other types has no such record", "web.mesh", "TXT"],
    ["the address of the other family is no missing name", "note.mesh", "AAAA"],
    ["a type that nobody knows", "alice.mesh", "UNKNOWN_65280"],
    ["an empty non-terminal exists", "_tcp.web.mesh", "A"],
    ["the name of a CIDR exists by its peers", "servers.mesh", "A"],
    ["the apex has no address", "mesh", "AAAA"],
  ])("NODATA: %s", (_, name, type) => {
    expect(ask(name, type)).toEqual(["noError", "SOA mesh"]);
  });

  it("a peer that has no IPv6 name of its own still answers AAAA by NODATA, never NXDOMAIN", () => {
    const v4Only = new Zone(networkMap([], { dns: dns(record("nas", "A", "192.0.2.7")) }));
    expect(v4Only.lookup("nas.mesh", "AAAA")).toMatchObject({ rcode: Rcode.noError, answers: [] });
  });

  it.each(["nobody.mesh", "x.alice.mesh", "_udp.web.mesh", "mesh.mesh"])("NXDOMAIN: %s", (name) => {
    expect(ask(name, "A")).toEqual(["nxDomain", "SOA mesh"]);
  });

  it("the SOA tells for how long there is nothing, and changes with the map", () => {
    expect(zone.lookup("nobody.mesh", "A")?.authorities).toMatchObject([
      { name: "mesh", type: "SOA", ttl: 1, data: { mname: "me.mesh", serial: 7, minimum: 1 } },
    ]);
  });

  it("is told when asked for, of each zone", () => {
    for (const apex of ["mesh", "86.10.in-addr.arpa"]) {
      expect(zone.lookup(apex, "SOA")).toMatchObject({ answers: [{ name: apex, type: "SOA" }], authorities: [] });
    }
  });

  it("ANY gets one small record where the name exists (RFC 8482)", () => {
    expect(ask("web.mesh", "ANY")).toEqual(["noError", 'web.mesh HINFO {"cpu":"RFC8482","os":""}']);
    expect(ask("nobody.mesh", "ANY")).toEqual(["nxDomain", "SOA mesh"]);
  });
});

describe("aliases", () => {
  it("are followed to what they mean", () => {
    expect(ask("www.mesh", "A")).toEqual([
      "noError",
      "www.mesh CNAME web.mesh",
      "web.mesh A 10.86.0.3",
      "web.mesh A 203.0.113.9",
    ]);
    expect(ask("git.alice.mesh", "AAAA")).toEqual([
      "noError",
      "git.alice.mesh CNAME alice.mesh",
      "alice.mesh AAAA fd86::abcd:2",
    ]);
    expect(ask("www.mesh", "CNAME")).toEqual(["noError", "www.mesh CNAME web.mesh"]);
  });

  it("end in what their last name has: nothing of a type, or no such name", () => {
    expect(ask("www.mesh", "TXT")).toEqual(["noError", "www.mesh CNAME web.mesh", "SOA mesh"]);
    expect(ask("gone.mesh", "A")).toEqual(["nxDomain", "gone.mesh CNAME nobody.mesh", "SOA mesh"]);
  });

  it("that leave the mesh say where they go on", () => {
    expect(zone.lookup("out.mesh", "A")).toMatchObject({ continuesAt: "example.com", rcode: Rcode.noError });
  });

  it("that go in a circle end", () => {
    expect(ask("loop-a.mesh", "A")).toEqual(["servFail"]);
  });
});

describe("addresses of the mesh", () => {
  it.each([
    ["2.0.86.10.in-addr.arpa", "PTR", ["noError", "2.0.86.10.in-addr.arpa PTR alice.mesh"]],
    ["9.0.86.10.in-addr.arpa", "PTR", ["nxDomain", "SOA 86.10.in-addr.arpa"]],
    ["2.0.86.10.in-addr.arpa", "A", ["noError", "SOA 86.10.in-addr.arpa"]],
    ["0.86.10.in-addr.arpa", "PTR", ["noError", "SOA 86.10.in-addr.arpa"]],
    ["86.10.in-addr.arpa", "NS", ["noError", "86.10.in-addr.arpa NS me.mesh"]],
    ["86.10.in-addr.arpa", "PTR", ["noError", "SOA 86.10.in-addr.arpa"]],
    ["x.2.0.86.10.in-addr.arpa", "PTR", ["nxDomain", "SOA 86.10.in-addr.arpa"]],
    ["10.in-addr.arpa", "PTR", "not ours"],
    ["1.0.0.127.in-addr.arpa", "PTR", "not ours"],
    ["02.0.86.10.in-addr.arpa", "PTR", ["nxDomain", "SOA 86.10.in-addr.arpa"]],
  ])("%s %s", (name, type, expected) => {
    expect(ask(name, type)).toEqual(expected);
  });

  it("of IPv6 likewise", () => {
    const name = reverseName("fd86::abcd:2");
    expect(name).toBe("2.0.0.0.d.c.b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.8.d.f.ip6.arpa");
    expect(ask(name.toUpperCase(), "PTR")).toEqual(["noError", `${name.toUpperCase()} PTR alice.mesh`]);
    expect(ask(name.slice(2), "PTR")).toEqual(["noError", "SOA 0.0.0.0.0.0.0.0.6.8.d.f.ip6.arpa"]);
    expect(ask(`f${name.slice(1)}`, "PTR")).toEqual(["nxDomain", "SOA 0.0.0.0.0.0.0.0.6.8.d.f.ip6.arpa"]);
  });

  it("of a range that ends within a label: each zone is ours as a whole", () => {
    const odd = networkMap([mapPeer("alice", 2)]);
    const narrow = new Zone({ ...odd, network: { ...odd.network, cidr4: "10.86.0.0/20" } });
    expect(narrow.lookup("1.15.86.10.in-addr.arpa", "PTR")?.authorities[0]?.name).toBe("15.86.10.in-addr.arpa");
    expect(narrow.lookup("1.16.86.10.in-addr.arpa", "PTR")).toBeUndefined();
    expect(narrow.lookup("86.10.in-addr.arpa", "PTR")).toBeUndefined();
  });
});

describe("any map and any question", () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,4}$/);
  const names = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
  const target = fc.oneof(
    names.map((name) => `${name}.mesh`),
    fc.constant("example.com"),
  );
  const records = fc.array(
    fc.oneof(
      fc.record({ name: names, type: fc.constant("CNAME" as const), data: target, ttlSeconds: fc.constant(null) }),
      fc.record({ name: names, type: fc.constant("A" as const), data: fc.ipV4(), ttlSeconds: fc.nat(9) }),
      fc.record({ name: names, type: fc.constant("TXT" as const), data: fc.string(), ttlSeconds: fc.constant(null) }),
    ),
    { maxLength: 12 },
  );

  it("every name that has records exists, and so do all names above it; answers are bounded", () => {
    fc.assert(
      fc.property(records, names, (some, other) => {
        const any = new Zone(networkMap([], { dns: dns(...some) }));
        for (const { name, type } of some) {
          expect(any.lookup(`${name}.mesh`, type)?.answers.length).toBeGreaterThan(0);
          const above = name.split(".").slice(1).join(".");
          if (above !== "") expect(any.lookup(`${above}.mesh`, "ANY")?.rcode).not.toBe(Rcode.nxDomain);
        }
        const answer = any.lookup(`${other}.mesh`, "A")!;
        expect(answer.answers.length).toBeLessThanOrEqual(some.length);
        // Nothing found is never said without the reason for how long that holds.
        if (answer.answers.length === 0 && answer.rcode !== Rcode.servFail) expect(answer.authorities).toHaveLength(1);
      }),
    );
  });
});
