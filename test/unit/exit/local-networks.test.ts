import { expect, it } from "vitest";
import { localNetworks } from "../../../src/exit/use/local-networks.ts";

const networks = (...addresses: string[]) =>
  localNetworks(addresses.map((address) => ({ interfaceName: "eth0", address }))).map(({ network }) => network);

it("are those that an address of the host is in, each once", () => {
  expect(networks("192.168.7.2/24", "192.168.7.3/24", "10.9.0.1/16", "fd12:3456::7/64")).toEqual([
    "10.9.0.0/16",
    "192.168.7.0/24",
    "fd12:3456::/64",
  ]);
  const two = localNetworks([
    { interfaceName: "wlan0", address: "192.168.7.2/24" },
    { interfaceName: "eth0", address: "192.168.7.3/24" },
  ]);
  expect(two.map(({ interfaceName }) => interfaceName)).toEqual(["eth0", "wlan0"]);
});

it("are private alone: what a network calls its own of the internet goes by the exit", () => {
  expect(networks("203.0.113.7/24", "2001:db8::7/64", "127.0.0.1/8", "fe80::1/64", "::1/128")).toEqual([]);
  expect(networks("192.168.7.2/1")).toEqual(["172.16.0.0/12", "192.168.0.0/16"]);
  expect(networks("1.2.3.4/0")).toEqual(["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"]);
  expect(networks("fd00::1/3")).toEqual(["fc00::/7"]);
});
