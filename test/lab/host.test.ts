import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../src/base/logger.ts";
import { HostChanges, takeBackHostChanges } from "../../src/host/changes/host-changes.ts";
import {
  configureInterface,
  type InterfaceSetupOptions,
  identityOf,
  requireUsableHost,
} from "../../src/host/interface-setup.ts";
import { IpRoute } from "../../src/host/ip-route.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { labSysctls } from "../support/lab/lab-sysctls.ts";

let lab: Lab;
let host: LabHost;
let directory: string;
let journalFile: string;
let options: InterfaceSetupOptions;

beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

beforeEach(async () => {
  host = await lab.host("host");
  await host.addStubNetwork("eth0", "192.168.7.1/24", "fd07::1/64");
  directory = mkdtempSync(join(tmpdir(), "host-"));
  journalFile = join(directory, "journal");
  options = {
    interfaceName: "mesh0",
    mtuBytes: 1420,
    ranges: ["10.86.0.0/16", "fd86::/48"],
  };
});
afterEach(async () => {
  await host[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const openChanges = () => HostChanges.open(journalFile, { logger: silentLogger, run: host.runner });

/** As a daemon does before it makes the device. */
const prepare = async (deviations: Partial<InterfaceSetupOptions> = {}) => {
  const changes = await openChanges();
  await changes.takeBackLeftovers();
  await requireUsableHost({ ...options, ...deviations }, changes);
  const configure = (addresses: readonly string[]) =>
    configureInterface({ ...options, ...deviations }, addresses, changes);
  const close = async () => {
    await changes.takeBackLeftovers();
    await changes[Symbol.asyncDispose]();
  };
  return { changes, configure, close };
};

/** The data plane makes the device; here `ip tuntap` does. */
const makeDevice = () => host.ip("tuntap", "add", "mode", "tun", "name", "mesh0");

const ours = async () => {
  const ipRoute = new IpRoute(host.runner);
  const isOurs = ({ interfaceName }: { interfaceName: string | undefined }) => interfaceName === "mesh0";
  const [addresses, routes] = [await ipRoute.addresses(), await ipRoute.routes()];
  return {
    addresses: addresses
      .filter(isOurs)
      .map((each) => each.address)
      .filter((address) => !address.startsWith("fe80")),
    routes: routes
      .filter(isOurs)
      .map((each) => each.destination)
      .filter((route) => !route.startsWith("fe80")),
  };
};

describe("the mesh's interface", () => {
  test("gets MTU, addresses and routes of both families, and gives them back", async () => {
    const setup = await prepare();
    await makeDevice();
    expect(await setup.configure(["10.86.0.2", "fd86::2"])).toBeUndefined();
    expect(await ours()).toEqual({
      addresses: ["10.86.0.2/32", "fd86::2/128"],
      routes: ["10.86.0.0/16", "fd86::2/128", "fd86::/48"],
    });
    expect(await new IpRoute(host.runner).link("mesh0")).toMatchObject({ mtu: 1420, isUp: true });
    await setup.close();
    expect(await ours()).toEqual({ addresses: [], routes: [] });
    expect(readFileSync(journalFile, "utf8")).toBe("");
  });

  test("gives up what is gone already without complaint", async () => {
    const setup = await prepare();
    await makeDevice();
    await setup.configure(["10.86.0.2", "fd86::2"]);
    await host.ip("link", "delete", "mesh0");
    await setup.close();
    expect(readFileSync(journalFile, "utf8")).toBe("");
  });

  test("takes and gives back single routes", async () => {
    const setup = await prepare();
    await makeDevice();
    await setup.configure(["10.86.0.2"]);
    const route = { destination: "172.30.0.0/16", interface: await identityOf("mesh0", setup.changes) };
    await setup.changes.route("subnet-routes", route);
    await setup.changes.route("subnet-routes", route);
    expect((await ours()).routes).toContain("172.30.0.0/16");
    expect(await setup.changes.takeBackAll("subnet-routes")).toBe(0);
    expect((await ours()).routes).not.toContain("172.30.0.0/16");
    await setup.close();
  });

  test("has IPv4 alone on a host with IPv6 switched off", async () => {
    await host.disableIpv6();
    const setup = await prepare();
    await makeDevice();
    expect(await setup.configure(["10.86.0.2", "fd86::2"])).toBe("disabled-on-host");
    expect(await ours()).toEqual({ addresses: ["10.86.0.2/32"], routes: ["10.86.0.0/16"] });
    await setup.close();
  });

  test("has IPv4 alone below the least MTU of IPv6", async () => {
    const setup = await prepare({ mtuBytes: 1200 });
    await makeDevice();
    expect(await setup.configure(["10.86.0.2", "fd86::2"])).toBe("mtu-below-1280");
    expect((await ours()).addresses).toEqual(["10.86.0.2/32"]);
    await setup.close();
  });
});

describe("after a crash", () => {
  /** As a kill after `configure`: the journal says what was done, and nobody took it back. */
  const leaveBehind = async () => {
    const setup = await prepare();
    await makeDevice();
    await setup.configure(["10.86.0.2", "fd86::2"]);
    const journal = readFileSync(journalFile);
    await setup.close();
    writeFileSync(journalFile, journal);
  };

  test("the next start takes back what is left", async () => {
    await leaveBehind();
    // The device outlived its daemon, which a TUN device of ours never does: the worst case.
    await host.ip("address", "add", "10.86.0.2/32", "dev", "mesh0");
    await host.ip("address", "add", "fd86::2/128", "dev", "mesh0", "nodad");
    await host.ip("route", "add", "10.86.0.0/16", "dev", "mesh0");
    await expect(prepare()).rejects.toMatchObject({ code: "interface-taken" });
    expect(await ours()).toEqual({ addresses: [], routes: [] });
    await host.ip("link", "delete", "mesh0");
    const next = await prepare();
    await next.close();
  });

  test("another program's interface of the same name is left alone", async () => {
    await leaveBehind();
    await host.ip("link", "delete", "mesh0");
    await host.ip("link", "add", "mesh0", "type", "veth", "peer", "name", "other");
    await host.ip("address", "add", "10.86.0.2/32", "dev", "mesh0");
    await expect(prepare()).rejects.toMatchObject({ code: "interface-taken" });
    expect((await ours()).addresses).toEqual(["10.86.0.2/32"]);
  });
});

describe("changes of every kind", () => {
  const everything = async () => ({
    rules: [await host.must("ip", "-4", "rule"), await host.must("ip", "-6", "rule")],
    routes: [
      await host.ip("-4", "route", "show", "table", "all"),
      await host.ip("-6", "route", "show", "table", "all"),
    ],
    ruleset: await host.must("nft", "list", "ruleset"),
    forwarding: await host.must("cat", "/proc/sys/net/ipv4/ip_forward"),
  });
  const deps = () => ({ logger: silentLogger, run: host.runner, sysctls: labSysctls(host) });
  const open = () => HostChanges.open(journalFile, deps());

  const makeAll = async (changes: HostChanges) => {
    const words = ["not", "fwmark", "0x2086"];
    for (const [family, destination] of [
      ["ipv4", "0.0.0.0/0"],
      ["ipv6", "::/0"],
    ] as const) {
      await changes.route("guard", { destination, table: 8326, metric: 4_294_967_295, interface: null });
      await changes.rule("guard", { family, priority: 5210, table: 8326, words });
      await changes.rule("exit-use", { family, priority: 5209, table: 254, words: ["suppress_prefixlength", "0"] });
    }
    const body = "chain output { type filter hook output priority 0; }";
    await changes.nftTable("guard", { family: "inet", name: "mesh-guard" }, body);
    await changes.nftTable("exit-offer", { family: "inet", name: "mesh-exit" }, body);
    await changes.sysctl("exit-offer", "net.ipv4.ip_forward", "1");
  };

  test("are taken back, and what is not ours stays", async () => {
    await host.must("nft", "add", "table", "inet", "others");
    await host.ip("rule", "add", "priority", "5210", "fwmark", "7", "lookup", "9");
    const before = await everything();
    {
      await using changes = await open();
      await makeAll(changes);
      await makeAll(changes);
      const during = await everything();
      expect(during.forwarding.trim()).toBe("1");
      expect(during.rules.join("").match(/not from all fwmark 0x2086 lookup 8326/g)).toHaveLength(2);
      expect(changes.list()).toHaveLength(9);
      expect(await changes.takeBackAll()).toBe(0);
    }
    expect(await everything()).toEqual(before);
  });

  test("the guard alone outlives a daemon that ends, and is adopted by the next", async () => {
    const before = await everything();
    {
      await using changes = await open();
      await makeAll(changes);
      await changes.takeBackLeftovers();
    }
    const left = await everything();
    expect(left.ruleset).toContain("mesh-guard");
    expect(left.ruleset).not.toContain("mesh-exit");
    expect(left.rules.join("")).not.toContain("suppress_prefixlength");
    expect(left.routes.join("").match(/unreachable default/g)).toHaveLength(2);
    {
      await using next = await open();
      expect(new Set(next.list().map(({ owner }) => owner))).toEqual(new Set(["guard"]));
      await makeAll(next);
    }
    expect(await takeBackHostChanges(journalFile, deps())).toMatchObject({ left: [] });
    expect(await everything()).toEqual(before);
  });
});

describe("refused before anything changes", () => {
  test("a name that is taken", async () => {
    await expect(prepare({ interfaceName: "eth0" })).rejects.toMatchObject({ code: "interface-taken" });
  });

  test("a range that a local network has, naming interface and network", async () => {
    await expect(prepare({ ranges: ["192.168.0.0/16"] })).rejects.toMatchObject({
      code: "range-conflict",
      message: "the mesh's range 192.168.0.0/16 overlaps the address 192.168.7.1/24 of the interface eth0",
    });
    await expect(prepare({ ranges: ["fd07::/16"] })).rejects.toMatchObject({ code: "range-conflict" });
  });

  test("a range that a route has", async () => {
    await host.ip("route", "add", "10.0.0.0/8", "via", "192.168.7.254");
    await expect(prepare()).rejects.toMatchObject({
      code: "range-conflict",
      message: "the mesh's range 10.86.0.0/16 overlaps the route 10.0.0.0/8 of the interface eth0",
    });
  });
});
