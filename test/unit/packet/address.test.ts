import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MeshError } from "../../../src/base/errors.ts";
import { addressVersion, canonicalAddress, formatAddress, parseAddress } from "../../../src/packet/address.ts";

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (thrown) {
    return thrown instanceof MeshError ? thrown.code : "other";
  }
  return undefined;
}

const addressBytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
);

describe("addresses", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["::ffff:c000:201", "::ffff:192.0.2.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ])("writes %s as %s (RFC 5952)", (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  it.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    ":::",
    "1::2::3",
    "12345::",
    "fe80::1%eth0",
    "[::1]",
    "example",
    " 1.2.3.4",
  ])("refuses %j", (text) => {
    expect(codeOf(() => parseAddress(text))).toBe("bad-address");
  });

  it("reads what it writes, and writes valid text", () => {
    fc.assert(
      fc.property(addressBytes, (bytes) => {
        const text = formatAddress(bytes);
        expect(isIP(text)).toBe(addressVersion(bytes));
        expect([...parseAddress(text)]).toEqual([...bytes]);
        expect(canonicalAddress(text)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses or reads any text, but fails in no other way", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0129af:.%/".split("")), maxLength: 20 }), (text) => {
        expect(codeOf(() => parseAddress(text))).toBe(
          isIP(text) !== 0 && !text.includes("%") ? undefined : "bad-address",
        );
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses to write addresses of no family", () => {
    expect(codeOf(() => formatAddress(new Uint8Array(5)))).toBe("bad-address");
  });
});
