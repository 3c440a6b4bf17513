import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress } from "../../../../src/packet/address.ts";
import { formatEndpoint, parseEndpoint } from "../../../../src/router/tunnel/endpoint-text.ts";

const address = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(formatAddress);

describe("endpoints as text", () => {
  it("parse to what they were formatted from", () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 1, max: 65_535 }), (text, port) => {
        expect(parseEndpoint(formatEndpoint({ address: text, port }))).toEqual({ address: text, port });
      }),
    );
  });

  it("keep the zone of a link-local address", () => {
    expect(parseEndpoint("[fe80::1%eth0]:51820")).toEqual({ address: "fe80::1%eth0", port: 51_820 });
  });

  it.each([
    "",
    "192.0.2.1",
    "192.0.2.1:",
    "192.0.2.1:0",
    "192.0.2.1:65536",
    "192.0.2.1:1e3",
    "[192.0.2.1]:1",
    "::1:51820",
    "[::1]",
    "[::1:51820",
    "host.example:51820",
    " 192.0.2.1:1",
  ])("are refused when they are %j", (text) => {
    expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: "bad-endpoint" }));
  });

  it("are an endpoint or a MeshError, whatever the text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseEndpoint(text).port).toBeGreaterThan(0);
        } catch (failure) {
          expect(failure).toMatchObject({ code: "bad-endpoint" });
        }
      }),
    );
  });
});
