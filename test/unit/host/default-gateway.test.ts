import type { NetworkInterfaceInfo } from "node:os";
import { describe, expect, it } from "vitest";
import { defaultGateway } from "../../../src/host/default-gateway.ts";

const HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
const route = (device: string, destination: string, gateway: string, flags: string, metric: number, mask: string) =>
  [device, destination, gateway, flags, 0, 0, metric, mask, 0, 0, 0].join("\t");

function address(cidr: string): NetworkInterfaceInfo {
  const [text = ""] = cidr.split("/");
  return { address: text, netmask: "", family: "IPv4", mac: "", internal: false, cidr };
}

const interfaces = { eth0: [address("10.1.0.7/24")], wlan0: [address("192.168.1.9/24")] };
const viaEth0 = route("eth0", "00000000", "0100010A", "0003", 200, "00000000");
const viaWlan0 = route("wlan0", "00000000", "0101A8C0", "0003", 100, "00000000");

describe("the default gateway", () => {
  it("is that of the default route with the lowest metric, with our address towards it", () => {
    const routes = [HEAD, viaEth0, route("eth0", "0000010A", "00000000", "0001", 0, "00FFFFFF"), viaWlan0].join("\n");
    expect(defaultGateway(routes, interfaces)).toEqual({ gateway: "192.168.1.1", localAddress: "192.168.1.9" });
    expect(defaultGateway(`${HEAD}\n${viaEth0}\n`, interfaces)).toEqual({
      gateway: "10.1.0.1",
      localAddress: "10.1.0.7",
    });
  });

  it("is none without a default route, with one that has no gateway, or without an address of ours beside it", () => {
    expect(defaultGateway("", interfaces)).toBeNull();
    expect(defaultGateway(HEAD, interfaces)).toBeNull();
    const onLink = route("eth0", "00000000", "00000000", "0001", 0, "00000000");
    expect(defaultGateway(`${HEAD}\n${onLink}`, interfaces)).toBeNull();
    expect(defaultGateway(`${HEAD}\n${viaEth0}`, { eth0: [address("172.16.0.1/16")] })).toBeNull();
  });
});
