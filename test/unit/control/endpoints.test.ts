import type { NetworkInterfaceInfo } from "node:os";
import { describe, expect, it } from "vitest";
import { endpointSchema } from "../../../src/api/primitives.ts";
import { endpointsToTell, isLocalAddress, localEndpoints } from "../../../src/control/endpoints.ts";

function address(text: string, internal = false): NetworkInterfaceInfo {
  const common = { address: text, netmask: "", mac: "", internal, cidr: null };
  return text.includes(":") ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" };
}

const options = { listenPort: 51820, excludedCidrs: ["10.86.0.0/16", "fd86::/48"], excludedInterfaces: ["mesh0"] };

describe("addresses at which peers may reach this machine", () => {
  it("are public before private, IPv4 before IPv6, and never loopback, link-local or inside the mesh", () => {
    const found = localEndpoints(options, {
      lo: [address("127.0.0.1", true), address("::1", true)],
      eth0: [address("192.168.1.5"), address("2001:db8::5"), address("fe80::1"), address("169.254.3.3")],
      eth1: [address("198.51.100.7"), address("fd12::5")],
      wg9: [address("10.86.3.3"), address("fd86::3")],
      mesh0: [address("203.0.113.1")],
    });
    expect(found).toEqual(["198.51.100.7:51820", "[2001:db8::5]:51820", "192.168.1.5:51820", "[fd12::5]:51820"]);
    for (const endpoint of found) expect(endpointSchema.parse(endpoint)).toBe(endpoint);
  });

  it("are no more than a message may carry", () => {
    const many = Array.from({ length: 100 }, (_, index) => address(`192.0.2.${index + 1}`));
    expect(localEndpoints(options, { eth0: many })).toHaveLength(32);
  });

  it("follow what others see of us, and give way to it: a message with too many would be refused", () => {
    const local = Array.from({ length: 32 }, (_, index) => `192.0.2.${index + 1}:51820`);
    const outside = ["198.51.100.7:4500", "192.0.2.1:51820"];
    const told = endpointsToTell(outside, local);
    expect(told).toHaveLength(32);
    expect(told.slice(0, 3)).toEqual([...outside, "192.0.2.2:51820"]);
  });

  it("tell whether the coordinator sees us through a NAT", () => {
    const interfaces = { eth0: [address("192.168.1.5")] };
    expect(isLocalAddress("192.168.1.5", interfaces)).toBe(true);
    expect(isLocalAddress("198.51.100.7", interfaces)).toBe(false);
  });
});
