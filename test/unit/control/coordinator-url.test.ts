import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MeshError } from "../../../src/base/errors.ts";
import { hostAndPort, normalizeCoordinatorUrl } from "../../../src/control/coordinator-url.ts";

describe("a coordinator's address as people write it", () => {
  it.each([
    ["mesh.example.com", "https://mesh.example.com:8443"],
    ["mesh.example.com:9000", "https://mesh.example.com:9000"],
    ["https://mesh.example.com", "https://mesh.example.com:8443"],
    ["https://mesh.example.com:443", "https://mesh.example.com:443"],
    ["https://mesh.example.com:443/", "https://mesh.example.com:443"],
    [" HTTPS://Mesh.Example.com/ ", "https://mesh.example.com:8443"],
    ["192.0.2.1", "https://192.0.2.1:8443"],
    ["192.0.2.1:1", "https://192.0.2.1:1"],
    ["[2001:db8::1]:9000", "https://[2001:db8::1]:9000"],
    ["2001:db8::1", "https://[2001:db8::1]:8443"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["http://localhost", "http://localhost:8443"],
  ])("%s is %s", (text, expected) => {
    expect(normalizeCoordinatorUrl(text)).toBe(expected);
  });

  it.each([
    "",
    "http://mesh.example.com",
    "ftp://mesh.example.com",
    "https://user:secret@mesh.example.com",
    "mesh.example.com/path",
    "mesh.example.com:70000",
    "https://",
    "a b",
    "mesh.example.com?x=1",
  ])("refuses %j", (text) => {
    expect(() => normalizeCoordinatorUrl(text)).toThrow(expect.objectContaining({ code: "bad-usage" }));
  });

  it("either refuses a text or makes an address that stays as it is and can be taken apart", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.domain(), fc.ipV6(), fc.ipV4()), (text) => {
        let url: string;
        try {
          url = normalizeCoordinatorUrl(text);
        } catch (failure) {
          expect(failure).toBeInstanceOf(MeshError);
          return;
        }
        expect(hostAndPort(url).port).toBeGreaterThanOrEqual(0);
        expect(normalizeCoordinatorUrl(url)).toBe(url);
      }),
    );
  });
});
