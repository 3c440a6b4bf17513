import { describe, expect, it } from "vitest";
import { besideExit } from "../../../src/exit/use/beside-exit.ts";

const to = (destination: string, port: number | null = 443, protocol: "tcp" | "udp" = "tcp") => {
  return { destination, protocol: port === null ? ("icmp" as const) : protocol, port };
};
const CUT = { lan: undefined, ownBridges: ["docker0"], meshes: [{ interface: "mesh1", reach: ["10.99.0.0/16"] }] };
const onLink = [
  { interfaceName: "eth0", network: "192.168.7.0/24" },
  { interfaceName: "eth0", network: "fd00::/64" },
];
const LAN = { lan: { onLink, carried: ["192.168.50.0/24", "203.0.113.0/28"] }, ownBridges: [], meshes: [] };

describe("what leaves beside an exit", () => {
  it.each([
    [to("198.51.100.5"), "eth0", CUT, false, "for the internet"],
    [to("198.51.100.5"), "eth0", LAN, false, "for the internet"],
    [to("2001:db8::7"), "eth0", LAN, false, "for the internet"],
    [to("198.51.100.5"), "docker0", CUT, false, "for the internet"],
    [to("192.168.7.9"), "eth0", CUT, false, "--exit-allow-lan"],
    [to("192.168.7.9"), "eth0", LAN, true, "within reach"],
    [to("192.168.7.9"), "eth1", LAN, false, "not on that network"],
    [to("192.168.9.9"), "eth0", LAN, false, "not on that network"],
    [to("fd00::9"), "eth0", LAN, true, "within reach"],
    [to("fe80::1"), "eth1", LAN, true, "within reach"],
    [to("192.168.50.7"), "eth1", LAN, true, "within reach"],
    [to("203.0.113.5"), "eth1", LAN, true, "within reach"],
    [to("192.168.7.9", null), "eth0", LAN, true, "within reach"],
    [to("192.168.7.9", 53, "udp"), "eth0", LAN, false, "a name server"],
    [to("fd00::53", 853), "eth0", LAN, false, "a name server"],
    [to("10.99.0.7"), "mesh1", CUT, true, "another mesh"],
    [to("10.99.0.7"), "eth0", CUT, false, "--exit-allow-lan"],
    [to("198.51.100.5"), "mesh1", CUT, false, "for the internet"],
    [to("172.17.0.2"), "docker0", CUT, true, "containers"],
    [to("172.17.0.2", 53, "udp"), "docker0", CUT, true, "containers"],
  ])("%j by %s, %j: %s", (packet, interfaceName, reach, passes, detail) => {
    expect(besideExit(packet, interfaceName, reach)).toEqual({ passes, detail: expect.stringContaining(detail) });
  });
});
