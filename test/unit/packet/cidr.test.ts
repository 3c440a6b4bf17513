import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MeshError } from "../../../src/base/errors.ts";
import { formatAddress, parseAddress } from "../../../src/packet/address.ts";
import {
  type Cidr,
  canonicalCidr,
  cidrContains,
  cidrContainsAddress,
  cidrOf,
  cidrsOverlap,
  compareCidrs,
  formatCidr,
  hostAddresses,
  lastAddress,
  nextAddress,
  parseCidr,
  parseInterfaceAddress,
} from "../../../src/packet/cidr.ts";

function bits(address: Uint8Array): string {
  return [...address].map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

/** A network as the string of bits that its addresses start with. */
function prefixOf(cidr: Cidr): string {
  return `${cidr.address.length}:${bits(cidr.address).slice(0, cidr.prefixBits)}`;
}

const byte = fc.constantFrom(0, 1, 128, 255);
const cidr = fc
  .constantFrom(4, 16)
  .chain((length) => fc.tuple(fc.array(byte, { minLength: length, maxLength: length }), fc.nat(length * 8)))
  .map(([bytes, prefixBits]) => cidrOf(Uint8Array.from(bytes), prefixBits));

describe("networks", () => {
  it.each([
    ["10.86.0.0/16", "10.86.0.0/16"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["10.0.0.1", "10.0.0.1/32"],
    ["FD00:0::/48", "fd00::/48"],
    ["::/0", "::/0"],
    ["fd00::1", "fd00::1/128"],
  ])("reads %s as %s", (text, canonical) => {
    expect(canonicalCidr(text)).toBe(canonical);
  });

  it.each([
    "",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "10.0.0.0/8 ",
    "x/8",
    "10.0.0.1/8",
    "fd00::1/64",
  ])("refuses %j", (text) => {
    expect(() => parseCidr(text)).toThrowError(MeshError);
    expect(() => parseCidr(text)).toThrowError(expect.objectContaining({ code: "bad-cidr" }));
  });

  it("names the network when host bits are set", () => {
    expect(() => parseCidr("10.1.2.3/8")).toThrowError(/10\.0\.0\.0\/8/);
    expect(formatAddress(parseInterfaceAddress("10.1.2.3/8").address)).toBe("10.1.2.3");
  });

  it("refuses to make networks whose prefix does not fit", () => {
    for (const prefixBits of [-1, 33, 1.5, Number.NaN]) {
      expect(() => cidrOf(parseAddress("10.0.0.0"), prefixBits)).toThrowError(
        expect.objectContaining({ code: "bad-cidr" }),
      );
    }
  });

  it("contains and overlaps as strings of bits do", () => {
    fc.assert(
      fc.property(cidr, cidr, (a, b) => {
        expect(cidrContains(a, b)).toBe(prefixOf(b).startsWith(prefixOf(a)));
        expect(cidrsOverlap(a, b)).toBe(prefixOf(b).startsWith(prefixOf(a)) || prefixOf(a).startsWith(prefixOf(b)));
        expect(cidrContainsAddress(a, b.address)).toBe(
          prefixOf({ ...b, prefixBits: b.address.length * 8 }).startsWith(prefixOf(a)),
        );
        expect(cidrContainsAddress(a, lastAddress(a))).toBe(true);
        expect(formatCidr(parseCidr(formatCidr(a)))).toBe(formatCidr(a));
        expect(compareCidrs(a, b)).toBe(-compareCidrs(b, a) + 0);
        expect(compareCidrs(a, b) === 0).toBe(prefixOf(a) === prefixOf(b));
      }),
      { numRuns: 1000 },
    );
  });

  it("knows the last and the next address", () => {
    expect(formatAddress(lastAddress(parseCidr("10.0.0.0/22")))).toBe("10.0.3.255");
    expect(formatAddress(lastAddress(parseCidr("fd00::/126")))).toBe("fd00::3");
    expect(formatAddress(nextAddress(parseAddress("10.0.0.255"))!)).toBe("10.0.1.0");
    expect(formatAddress(nextAddress(parseAddress("fd00::ffff:ffff"))!)).toBe("fd00::1:0:0");
    expect(nextAddress(parseAddress("255.255.255.255"))).toBeUndefined();
  });

  it.each([
    ["10.0.0.0/29", ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]],
    ["10.0.0.0/30", ["10.0.0.1", "10.0.0.2"]],
    ["10.0.0.0/31", ["10.0.0.0", "10.0.0.1"]],
    ["10.0.0.7/32", ["10.0.0.7"]],
    ["255.255.255.252/30", ["255.255.255.253", "255.255.255.254"]],
    ["fd00::/126", ["fd00::1", "fd00::2", "fd00::3"]],
    ["fd00::/127", ["fd00::", "fd00::1"]],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]],
  ])("hosts of %s", (text, expected) => {
    expect([...hostAddresses(parseCidr(text))].map(formatAddress)).toEqual(expected);
  });
});
