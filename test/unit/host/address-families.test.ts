import type { NetworkInterfaceInfo } from "node:os";
import { describe, expect, it } from "vitest";
import { spokenFamilies } from "../../../src/host/address-families.ts";

function address(text: string, internal = false): NetworkInterfaceInfo {
  const common = { address: text, netmask: "", mac: "00:00:00:00:00:00", internal, cidr: null };
  return text.includes(":") ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" };
}

const loopback = [address("127.0.0.1", true), address("::1", true)];

describe("the families that a host speaks", () => {
  it.each([
    { what: "both", eth0: [address("192.0.2.1"), address("2001:db8::1")], ipv4: true, ipv6: true },
    {
      what: "IPv4, with IPv6 switched off on all but the loopback",
      eth0: [address("192.0.2.1")],
      ipv4: true,
      ipv6: false,
    },
    { what: "IPv6 alone", eth0: [address("2001:db8::1")], ipv4: false, ipv6: true },
    { what: "IPv6 on its link", eth0: [address("192.0.2.1"), address("fe80::1")], ipv4: true, ipv6: true },
    { what: "none, cut off", eth0: [], ipv4: false, ipv6: false },
  ])("$what", ({ eth0, ipv4, ipv6 }) => {
    const tunnel = [address("10.86.0.2"), address("fd86::2")];
    expect(spokenFamilies("mesh0", { lo: loopback, mesh0: tunnel, eth0 })).toEqual({ ipv4, ipv6 });
  });

  it("another tunnel counts: ours may run inside it", () => {
    const interfaces = { lo: loopback, mesh0: [address("10.86.0.2")], wg0: [address("fd99::2")] };
    expect(spokenFamilies("mesh0", interfaces)).toEqual({ ipv4: false, ipv6: true });
  });
});
