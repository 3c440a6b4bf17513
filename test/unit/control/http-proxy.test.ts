import { describe, expect, it } from "vitest";
import { parseProxy, proxyOfEnvironment } from "../../../src/control/http-proxy.ts";

describe("the proxy of the environment", () => {
  it.each([
    ["http://proxy.example:3128", "proxy.example", 3128, null],
    ["proxy.example:3128", "proxy.example", 3128, null],
    ["http://proxy.example", "proxy.example", 80, null],
    ["http://[2001:db8::1]:8080/", "2001:db8::1", 8080, null],
    ["http://alice:secret@proxy.example:3128", "proxy.example", 3128, "alice:secret"],
    ["http://alice:p%40ss%3A%C3%A9@proxy.example:3128", "proxy.example", 3128, "alice:p@ss:é"],
    ["alice@proxy.example:3128", "proxy.example", 3128, "alice:"],
  ])("reads %s", (url, host, port, credentials) => {
    const authorization = credentials === null ? null : `Basic ${Buffer.from(credentials).toString("base64")}`;
    expect(parseProxy(url, "")).toMatchObject({ host, port, authorization });
  });

  it.each(["https://proxy.example", "socks5://proxy.example:1080", "http://", "http://a b"])("refuses %s", (url) => {
    expect(() => parseProxy(url, "")).toThrow(expect.objectContaining({ code: "proxy-failed" }));
  });

  it("shows no password in an error", () => {
    for (const url of ["http://a:hunter2@proxy.example:99999", "socks5://a:hunter2@h", "http://a:%hunter2@h"]) {
      expect(() => parseProxy(url, "")).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining("hunter2") }),
      );
    }
  });

  it("takes small letters before capitals, and nothing for nothing", () => {
    expect(proxyOfEnvironment({})).toBeUndefined();
    expect(proxyOfEnvironment({ HTTPS_PROXY: "" })).toBeUndefined();
    expect(proxyOfEnvironment({ HTTP_PROXY: "http://other" })).toBeUndefined();
    expect(proxyOfEnvironment({ HTTPS_PROXY: "http://large", https_proxy: "http://small" })?.host).toBe("small");
    const proxy = proxyOfEnvironment({ HTTPS_PROXY: "http://p", NO_PROXY: "a.example", no_proxy: "b.example" });
    expect(proxy?.bypasses({ host: "a.example", port: 443 })).toBe(false);
    expect(proxy?.bypasses({ host: "b.example", port: 443 })).toBe(true);
  });

  it.each([
    ["", "mesh.example", 443, false],
    ["*", "mesh.example", 443, true],
    ["example", "mesh.example", 443, true],
    ["mesh.example", "MESH.example.", 443, true],
    [".example", "mesh.example", 443, true],
    ["*.example", "mesh.example", 443, true],
    ["xample", "mesh.example", 443, false],
    ["sub.mesh.example", "mesh.example", 443, false],
    ["other, mesh.example", "mesh.example", 443, true],
    ["other mesh.example:8443", "mesh.example", 8443, true],
    ["mesh.example:8443", "mesh.example", 443, false],
    ["192.0.2.0/24", "192.0.2.9", 443, true],
    ["192.0.2.0/24", "192.0.3.9", 443, false],
    ["192.0.2.9", "192.0.2.9", 443, true],
    ["192.0.2.9:443", "192.0.2.9", 8443, false],
    ["2001:db8::/32", "2001:db8:1::5", 443, true],
    ["2001:db8::5", "2001:0db8::0005", 443, true],
    ["[2001:db8::5]:443", "2001:db8::5", 443, true],
    ["192.0.2.0/24", "2001:db8::5", 443, false],
    ["nonsense/99,192.0.2.1/24", "192.0.2.9", 443, false],
    // This machine is never asked for at a proxy.
    ["", "localhost", 443, true],
    ["", "127.8.8.8", 443, true],
    ["", "::1", 443, true],
  ])("with NO_PROXY=%s goes to %s:%i directly: %s", (exceptions, host, port, expected) => {
    expect(parseProxy("http://proxy.example", exceptions).bypasses({ host, port })).toBe(expected);
  });
});
