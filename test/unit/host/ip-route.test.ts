import { describe, expect, test } from "vitest";
import type { CommandResult } from "../../../src/host/command.ts";
import { IpRoute, Ipv6DisabledError } from "../../../src/host/ip-route.ts";

const done = (stdout = ""): CommandResult => ({ status: 0, stdout, stderr: "" });
const route = {
  kind: "route",
  destination: "10.86.0.0/16",
  table: 254,
  interface: { name: "mesh0", index: 7 },
  metric: null,
} as const;
const failed = (stderr: string): CommandResult => ({ status: 2, stdout: "", stderr });

describe("what `ip -j` prints", () => {
  test("routes: defaults, single hosts, several next hops, none", async () => {
    const v4 = [
      { dst: "default", gateway: "192.0.2.1", dev: "eth0" },
      { dst: "198.51.100.7", dev: "eth1" },
      { dst: "203.0.113.0/24", nexthops: [{ dev: "eth2" }, { dev: "eth3" }] },
      { type: "blackhole", dst: "10.0.0.0/8" },
    ];
    const v6 = [
      { dst: "default", dev: "eth0" },
      { dst: "fd00::1", dev: "eth1" },
    ];
    const ipRoute = new IpRoute(async (_, args) => done(JSON.stringify(args.includes("-6") ? v6 : v4)));
    expect(await ipRoute.routes()).toEqual([
      { destination: "0.0.0.0/0", interfaceName: "eth0" },
      { destination: "198.51.100.7/32", interfaceName: "eth1" },
      { destination: "203.0.113.0/24", interfaceName: "eth2" },
      { destination: "10.0.0.0/8", interfaceName: undefined },
      { destination: "::/0", interfaceName: "eth0" },
      { destination: "fd00::1/128", interfaceName: "eth1" },
    ]);
  });

  test("addresses: interfaces without any, and the empty objects of older versions", async () => {
    const links = [{ ifname: "lo", addr_info: [{ local: "127.0.0.1", prefixlen: 8 }, {}] }, {}, { ifname: "eth0" }];
    const ipRoute = new IpRoute(async () => done(JSON.stringify(links)));
    expect(await ipRoute.addresses()).toEqual([{ interfaceName: "lo", address: "127.0.0.1/8" }]);
  });

  test("nothing at all", async () => {
    const ipRoute = new IpRoute(async () => done());
    expect(await ipRoute.routes()).toEqual([]);
    expect(await ipRoute.links()).toEqual([]);
  });
});

describe("refusals", () => {
  test("no program", async () => {
    const missing = Object.assign(new Error("spawn ip ENOENT"), { code: "ENOENT" });
    const ipRoute = new IpRoute(() => Promise.reject(missing));
    await expect(ipRoute.setUp("mesh0")).rejects.toMatchObject({ code: "missing-tool" });
  });

  test("no permission", async () => {
    const ipRoute = new IpRoute(async () => failed("RTNETLINK answers: Operation not permitted\n"));
    await expect(ipRoute.setUp("mesh0")).rejects.toMatchObject({ code: "missing-capability" });
  });

  test.each(["Error: ipv6: IPv6 is disabled on this device.", "RTNETLINK answers: Permission denied"])(
    "no IPv6: %s",
    async (said) => {
      const ipRoute = new IpRoute(async () => failed(said));
      await expect(ipRoute.addAddress("mesh0", "fd00::1/128")).rejects.toThrow(Ipv6DisabledError);
    },
  );

  test("anything else comes with the command and its words", async () => {
    const ipRoute = new IpRoute(async () => failed("RTNETLINK answers: File exists\n"));
    await expect(ipRoute.addRoute(route)).rejects.toMatchObject({
      code: "host-change-failed",
      message: "`ip -4 route add 10.86.0.0/16 dev mesh0 table 254 proto 134` failed: RTNETLINK answers: File exists",
    });
  });

  test("a removal fails only while the thing is there", async () => {
    const present = "10.86.0.0/16 dev mesh0 proto 134 scope link\n";
    const withRoute = new IpRoute(async (_, args) => (args.includes("show") ? done(present) : failed("busy")));
    await expect(withRoute.removeRoute(route)).rejects.toMatchObject({ code: "host-change-failed" });
    const without = new IpRoute(async (_, args) => (args.includes("show") ? done() : failed("no such thing")));
    await expect(without.removeRoute(route)).resolves.toBeUndefined();
  });
});
