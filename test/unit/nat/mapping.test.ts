import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classifyMapping, type FamilyReport, type MappingObservation } from "../../../src/nat/mapping.ts";
import type { UdpEndpoint } from "../../../src/packet/endpoint.ts";

const LOCAL = { addresses: ["10.0.0.2", "192.0.2.7", "2001:db8::7"], port: 51820 };
const NOT_TOLD = { dependsOn: null, isBehindNat: null, isPortPreserved: null, reflexive: [] };

/** `ADDRESS:PORT` or `[V6]:PORT`. */
function endpoint(text: string): UdpEndpoint {
  const colon = text.lastIndexOf(":");
  return { address: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

/** `SERVER → REFLEXIVE`, or `SERVER → -` for no answer. */
function observation(text: string): MappingObservation {
  const [server = "", reflexive = ""] = text.split(" → ");
  return { server: endpoint(server), reflexive: reflexive === "-" ? null : endpoint(reflexive) };
}

type Row = [what: string, observations: string[], expected: Omit<FamilyReport, "reflexive"> & { reflexive: string[] }];

const natted = { isBehindNat: true, isPortPreserved: true };

describe("the mapping of one family (RFC 4787 §4.1)", () => {
  it.each<Row>([
    [
      "a public address of our own",
      ["198.51.100.1:3478 → 192.0.2.7:51820"],
      {
        mapping: "endpoint-independent",
        dependsOn: "nothing",
        isBehindNat: false,
        isPortPreserved: true,
        reflexive: ["192.0.2.7:51820"],
      },
    ],
    [
      "two public addresses of our own, by two routes",
      ["198.51.100.1:3478 → 192.0.2.7:51820", "203.0.113.1:3478 → 10.0.0.2:51820"],
      {
        mapping: "endpoint-independent",
        dependsOn: "nothing",
        isBehindNat: false,
        isPortPreserved: true,
        reflexive: ["192.0.2.7:51820", "10.0.0.2:51820"],
      },
    ],
    [
      "a NAT, and a server on our side of it",
      [
        "198.51.100.1:3478 → 203.0.113.9:4711",
        "198.51.100.1:3479 → 203.0.113.9:4711",
        "10.0.0.9:3478 → 10.0.0.2:51820",
        "10.0.0.9:3479 → 10.0.0.2:51820",
      ],
      {
        mapping: "endpoint-independent",
        dependsOn: null,
        isBehindNat: true,
        isPortPreserved: false,
        reflexive: ["203.0.113.9:4711", "10.0.0.2:51820"],
      },
    ],
    [
      "our own address with another port: a firewall that rewrites ports",
      ["198.51.100.1:3478 → 192.0.2.7:1024", "198.51.100.1:3479 → 192.0.2.7:1024"],
      {
        mapping: "endpoint-independent",
        dependsOn: null,
        isBehindNat: true,
        isPortPreserved: false,
        reflexive: ["192.0.2.7:1024"],
      },
    ],
    [
      "one answer of a NAT tells nothing of another destination",
      ["198.51.100.1:3478 → 203.0.113.5:51820"],
      { mapping: "unknown", dependsOn: null, ...natted, reflexive: ["203.0.113.5:51820"] },
    ],
    [
      "one server asked twice is one destination",
      ["198.51.100.1:3478 → 203.0.113.5:51820", "198.51.100.1:3478 → 203.0.113.5:51820"],
      { mapping: "unknown", dependsOn: null, ...natted, reflexive: ["203.0.113.5:51820"] },
    ],
    [
      "the same to two ports: does not depend on the port",
      ["198.51.100.1:3478 → 203.0.113.5:51820", "198.51.100.1:3479 → 203.0.113.5:51820"],
      { mapping: "endpoint-independent", dependsOn: null, ...natted, reflexive: ["203.0.113.5:51820"] },
    ],
    [
      "the same to two addresses: depends on nothing",
      ["198.51.100.1:3478 → 203.0.113.5:4000", "198.51.100.9:3478 → 203.0.113.5:4000"],
      {
        mapping: "endpoint-independent",
        dependsOn: "nothing",
        isBehindNat: true,
        isPortPreserved: false,
        reflexive: ["203.0.113.5:4000"],
      },
    ],
    [
      "another port for another port",
      ["198.51.100.1:3478 → 203.0.113.5:4000", "198.51.100.1:3479 → 203.0.113.5:4001"],
      {
        mapping: "endpoint-dependent",
        dependsOn: "address-and-port",
        isBehindNat: true,
        isPortPreserved: false,
        reflexive: ["203.0.113.5:4000", "203.0.113.5:4001"],
      },
    ],
    [
      "the same to two ports, another for another address",
      [
        "198.51.100.1:3478 → 203.0.113.5:4000",
        "198.51.100.1:3479 → 203.0.113.5:4000",
        "198.51.100.9:3478 → 203.0.113.5:4001",
      ],
      {
        mapping: "endpoint-dependent",
        dependsOn: "address",
        isBehindNat: true,
        isPortPreserved: false,
        reflexive: ["203.0.113.5:4000", "203.0.113.5:4001"],
      },
    ],
    [
      "another for another address, ports not compared",
      ["198.51.100.1:3478 → 203.0.113.5:51820", "198.51.100.9:3478 → 203.0.113.5:4001"],
      {
        mapping: "endpoint-dependent",
        dependsOn: null,
        isBehindNat: true,
        isPortPreserved: false,
        reflexive: ["203.0.113.5:51820", "203.0.113.5:4001"],
      },
    ],
    [
      "a pool of public addresses (RFC 4787 §4.1, arbitrary pooling)",
      ["198.51.100.1:3478 → 203.0.113.5:51820", "198.51.100.1:3479 → 203.0.113.6:51820"],
      {
        mapping: "endpoint-dependent",
        dependsOn: "address-and-port",
        ...natted,
        reflexive: ["203.0.113.5:51820", "203.0.113.6:51820"],
      },
    ],
    [
      "a server that is down takes nothing from what the others say",
      ["198.51.100.1:3478 → -", "198.51.100.9:3478 → 203.0.113.5:51820", "198.51.100.9:3479 → 203.0.113.5:51820"],
      { mapping: "endpoint-independent", dependsOn: null, ...natted, reflexive: ["203.0.113.5:51820"] },
    ],
    ["nobody answers", ["198.51.100.1:3478 → -", "198.51.100.1:3479 → -"], { mapping: "blocked", ...NOT_TOLD }],
    ["nobody was asked", [], { mapping: "unknown", ...NOT_TOLD }],
  ])("%s", (_what, texts, { reflexive, ...expected }) => {
    const report = classifyMapping(texts.map(observation), LOCAL);
    expect(report.ipv4).toEqual({ ...expected, reflexive: reflexive.map(endpoint) });
    expect(report.mapping).toBe(expected.mapping);
    expect(report.ipv6).toEqual({ mapping: "unknown", ...NOT_TOLD });
  });
});

describe("both families", () => {
  const of = (...texts: string[]) => classifyMapping(texts.map(observation), LOCAL);

  it("IPv4 decides where it works, IPv6 where it alone does", () => {
    const dependent = ["198.51.100.1:3478 → 203.0.113.5:4000", "198.51.100.1:3479 → 203.0.113.5:4001"];
    const open = "[2001:db8::1]:3478 → [2001:db8::7]:51820";
    expect(of(...dependent, open)).toMatchObject({ udp: true, mapping: "endpoint-dependent" });
    expect(of("198.51.100.1:3478 → -", open)).toMatchObject({
      udp: true,
      mapping: "endpoint-independent",
      ipv4: { mapping: "blocked" },
      ipv6: { mapping: "endpoint-independent", isBehindNat: false },
    });
  });

  it("blocked when none answers, unknown when none was asked", () => {
    expect(of("198.51.100.1:3478 → -", "[2001:db8::1]:3478 → -")).toMatchObject({ udp: false, mapping: "blocked" });
    expect(of()).toMatchObject({ udp: null, mapping: "unknown" });
  });

  it("behind NAT64 the public endpoint of IPv6 is an IPv4 one", () => {
    expect(of("[64:ff9b::c633:6401]:3478 → 203.0.113.5:4000").ipv6).toMatchObject({
      isBehindNat: true,
      reflexive: [endpoint("203.0.113.5:4000")],
    });
  });
});

it("the order of the observations changes nothing but the order of the candidates", () => {
  const endpoints = fc.record({
    address: fc.constantFrom("198.51.100.1", "198.51.100.9", "203.0.113.5", "192.0.2.7", "2001:db8::7"),
    port: fc.constantFrom(3478, 3479, 51820),
  });
  const observations = fc.array(fc.record({ server: endpoints, reflexive: fc.option(endpoints) }), { maxLength: 6 });
  const shuffled = observations.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
  );
  const essence = ({ reflexive, ...rest }: FamilyReport) => ({
    ...rest,
    reflexive: reflexive.map((each) => JSON.stringify(each)).sort(),
  });
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      const [a, b] = [classifyMapping(one, LOCAL), classifyMapping(other, LOCAL)];
      expect([a.udp, a.mapping, essence(a.ipv4), essence(a.ipv6)]).toEqual([
        b.udp,
        b.mapping,
        essence(b.ipv4),
        essence(b.ipv6),
      ]);
    }),
  );
});
