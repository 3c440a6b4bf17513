import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ErrorCode } from "../../../src/base/error-codes.ts";
import {
  findRangeConflict,
  requireFreeRanges,
  requireInterfaceName,
  requireNetAdmin,
  requireTunDevice,
} from "../../../src/host/preflight.ts";

const refusal = (code: ErrorCode) => expect.objectContaining({ code });

describe("the range of the mesh", () => {
  const routes = [
    { destination: "0.0.0.0/0", interfaceName: "eth0" },
    { destination: "::/0", interfaceName: "eth0" },
    { destination: "192.168.1.0/24", interfaceName: "eth0" },
  ];
  const find = (range: string, more: { destination: string; interfaceName: string | undefined }[] = []) =>
    findRangeConflict([range], [{ interfaceName: "eth0", address: "192.168.1.7/24" }], [...routes, ...more]);

  test("is free where only default routes cover it", () => {
    expect(find("10.86.0.0/16")).toBeUndefined();
    expect(find("fd86::/48")).toBeUndefined();
  });

  test("may not meet a route, wider or narrower, of either family", () => {
    const wider = { destination: "10.0.0.0/8", interfaceName: "vpn0" };
    expect(find("10.86.0.0/16", [wider])).toEqual({
      range: "10.86.0.0/16",
      interfaceName: "vpn0",
      with: "the route 10.0.0.0/8",
    });
    const narrower = { destination: "fd86:0:0:7::/64", interfaceName: "br0" };
    expect(find("fd86::/48", [narrower])?.interfaceName).toBe("br0");
  });

  test("that another mesh of this host has in force is refused by that one's name", async () => {
    const ipRoute = {
      addresses: async () => [{ interfaceName: "mesh0", address: "10.86.0.2/32" }],
      routes: async () => [{ destination: "10.86.0.0/16", interfaceName: "mesh0" }],
    };
    const networkOf = (name: string) => (name === "mesh0" ? "work" : undefined);
    await expect(requireFreeRanges(["10.86.0.0/16"], ipRoute, networkOf)).rejects.toMatchObject({
      code: "range-conflict",
      message: expect.stringContaining("of the interface mesh0 (the network work)"),
      hint: expect.stringContaining("mesh --network work down"),
    });
    await expect(requireFreeRanges(["10.87.0.0/16"], ipRoute, networkOf)).resolves.toBeUndefined();
  });

  test("may not hold an address of this host", () => {
    expect(find("192.168.0.0/16")).toEqual({
      range: "192.168.0.0/16",
      interfaceName: "eth0",
      with: "the address 192.168.1.7/24",
    });
  });

  test("may lie under the halves of a default route, and under routes that lead nowhere", () => {
    const half = { destination: "0.0.0.0/1", interfaceName: "vpn0" };
    const nowhere = { destination: "10.0.0.0/8", interfaceName: undefined };
    expect(find("10.86.0.0/16", [half, nowhere])).toBeUndefined();
  });
});

describe("interface names", () => {
  test.each(["mesh0", "a", "fifteen-chars-x", "wg.1"])("%j is one", (name) => {
    expect(() => requireInterfaceName(name)).not.toThrow();
  });

  test.each(["", ".", "..", "sixteen-chars-xx", "a b", "a/b", "a:b", "mesh%d", "é", "a\n"])("%j is none", (name) => {
    expect(() => requireInterfaceName(name)).toThrow(refusal("bad-interface-name"));
  });
});

describe("what the process may do", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "preflight-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test.each([
    ["all of root's", "000001ffffffffff"],
    ["CAP_NET_ADMIN alone", "0000000000001000"],
  ])("%s is enough", (_, capabilities) => {
    const status = join(directory, "status");
    writeFileSync(status, `Name:\tnode\nCapPrm:\t0\nCapEff:\t${capabilities}\n`);
    expect(() => requireNetAdmin(status)).not.toThrow();
  });

  test("everything but CAP_NET_ADMIN is not, and the message names it", () => {
    const status = join(directory, "status");
    writeFileSync(status, "CapEff:\t000001ffffffefff\n");
    expect(() => requireNetAdmin(status)).toThrow(refusal("missing-capability"));
    expect(() => requireNetAdmin(status)).toThrow(/CAP_NET_ADMIN/);
  });

  test("a missing or wrong /dev/net/tun is told", () => {
    expect(() => requireTunDevice(join(directory, "tun"))).toThrow(refusal("no-tun-device"));
    expect(() => requireTunDevice(directory)).toThrow(refusal("no-tun-device"));
    expect(() => requireTunDevice("/dev/null")).not.toThrow();
  });
});
