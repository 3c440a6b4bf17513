import { describe, expect, it } from "vitest";
import { routeRefusal } from "../../../src/exit/accepted-route.ts";
import { advertisableRoute, advertisableRoutes, isBehindHost } from "../../../src/exit/advertised-route.ts";

const MESH = ["10.86.0.0/16", "fd86::/48"];

describe("a network behind a peer", () => {
  it.each([
    ["192.168.50.0/24", "192.168.50.0/24"],
    ["203.0.113.7", "203.0.113.7/32"],
    ["FD50:0::/64", "fd50::/64"],
  ])("may be %s", (text, canonical) => expect(advertisableRoute(text, MESH)).toBe(canonical));

  it.each([
    ["0.0.0.0/0", "default-route-advertised"],
    ["::/0", "default-route-advertised"],
    ["10.86.3.0/24", "route-overlap"],
    ["10.0.0.0/8", "route-overlap"],
    ["fd86::1/128", "route-overlap"],
    ["127.0.0.0/24", "route-overlap"],
    ["128.0.0.0/1", "route-overlap"],
    ["169.254.169.254/32", "route-overlap"],
    ["fe80::/64", "route-overlap"],
    ["ff02::/16", "route-overlap"],
    ["192.168.50.1/24", "bad-cidr"],
    ["lan", "bad-cidr"],
  ])("is never %s", (text, code) => {
    expect(() => advertisableRoute(text, MESH)).toThrow(expect.objectContaining({ code }));
    expect(advertisableRoutes([text, "192.168.50.0/24", "192.168.50.0/24"], MESH)).toEqual(["192.168.50.0/24"]);
  });

  it("is behind a host that is on it, on a part of it, or has a route there that is not its default one", () => {
    const way = (destination: string, interfaceName: string | undefined) => [{ destination, interfaceName }];
    const isBehind = (routes: ReturnType<typeof way>) => isBehindHost("192.168.50.0/24", routes, "mesh0");
    expect(
      ["192.168.50.0/24", "192.168.50.7/32", "192.168.0.0/16"].map((route) => isBehind(way(route, "eth0"))),
    ).toEqual([true, true, true]);
    expect(["0.0.0.0/0", "192.168.51.0/24", "fd50::/64"].map((route) => isBehind(way(route, "eth0")))).toEqual([
      false,
      false,
      false,
    ]);
    expect(isBehind(way("192.168.50.0/24", "mesh0"))).toBe(false);
    expect(isBehind(way("192.168.50.0/24", undefined))).toBe(false);
    expect(isBehindHost("fd50::/64", way("fd50::/64", "eth0"), "mesh0")).toBe(true);
  });

  it("is left aside by a host that has one of the same addresses, which is named", () => {
    const host = {
      addresses: [{ interfaceName: "eth0", address: "192.168.1.7/24" }],
      routes: [
        { interfaceName: "eth0", destination: "0.0.0.0/0" },
        { interfaceName: "eth1", destination: "172.16.0.0/12" },
      ],
    };
    expect(routeRefusal("192.168.50.0/24", MESH, host)).toBeUndefined();
    expect(routeRefusal("192.168.0.0/16", MESH, host)).toContain("192.168.1.7/24 of this machine's interface eth0");
    expect(routeRefusal("172.20.0.0/16", MESH, host)).toContain("eth1");
    expect(routeRefusal("0.0.0.0/0", MESH, host)).toContain("not a network");
  });
});
