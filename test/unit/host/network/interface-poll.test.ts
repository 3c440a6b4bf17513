import type { NetworkInterfaceInfo } from "node:os";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { InterfacePoll } from "../../../../src/host/network/interface-poll.ts";

const info = (address: string): NetworkInterfaceInfo => ({
  address,
  netmask: "255.255.255.0",
  family: "IPv4",
  mac: "00:00:00:00:00:00",
  internal: false,
  cidr: `${address}/24`,
});

describe("looking at the addresses of a host without netlink", () => {
  let interfaces: Record<string, NetworkInterfaceInfo[]>;
  let changes: number;
  let poll: InterfacePoll;

  beforeEach(() => {
    vi.useFakeTimers();
    interfaces = { eth0: [info("192.0.2.7")] };
    changes = 0;
    poll = new InterfacePoll(
      "mesh0",
      () => changes++,
      () => interfaces,
    );
  });
  afterEach(() => {
    poll[Symbol.dispose]();
    vi.useRealTimers();
  });

  it("finds a change within two seconds, once", () => {
    vi.advanceTimersByTime(60_000);
    expect(changes).toBe(0);
    interfaces = { eth0: [info("198.51.100.7")] };
    vi.advanceTimersByTime(2000);
    expect(changes).toBe(1);
    vi.advanceTimersByTime(60_000);
    expect(changes).toBe(1);
  });

  it("does not look at our own interface", () => {
    interfaces = { ...interfaces, mesh0: [info("10.86.0.7")] };
    vi.advanceTimersByTime(10_000);
    expect(changes).toBe(0);
  });
});
