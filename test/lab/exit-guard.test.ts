import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLogger } from "../../src/base/logger.ts";
import { ExitGuard, type ExitGuardOptions } from "../../src/exit/use/guard.ts";
import { standingConnections } from "../../src/exit/use/standing-connections.ts";
import { HostChanges } from "../../src/host/changes/host-changes.ts";
import { identityOf } from "../../src/host/interface-setup.ts";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";
import { labSysctls } from "../support/lab/lab-sysctls.ts";

// The guard of an exit alone, without a daemon: `mesh0` swallows what goes into it.
//
//   box 10.9.0.2 ── br0 host eth0 192.168.7.2 ── 192.168.7.1 router 203.0.113.1 ── web 203.0.113.80
//                                                             (LAN: neighbour 192.168.7.9)
//
// Who leaves around the tunnel is counted at the router.

const portService = fileURLToPath(new URL("../support/lab/port-service.mjs", import.meta.url));

const MARK = 0x2086;
const RANGES = ["10.86.0.0/16", "fd86::/48"];
const WEB = { ipv4: "203.0.113.80", ipv6: "2001:db8:80::80" } as const;
const HOST = { ipv4: "192.168.7.2", ipv6: "2001:db8:7::2" } as const;
const NEIGHBOUR = "192.168.7.9";
const DNS_PORT = 53;
const SERVICE_PORT = 8080;
const ECHO_PORT = 5001;
const ECHO = `
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("message", (bytes, { address, port }) => socket.send(bytes, port, address, () => {}));
  socket.bind(Number(process.argv[2]), process.argv[1], () => console.log("listening"));`;

let lab: Lab;
let host: LabHost;
let router: LabHost;
let web: LabHost;
let neighbour: LabHost;
let box: LabHost;
let directory: string;
let changes: HostChanges;
let before: string[];

const state = () =>
  Promise.all([
    host.must("ip", "-4", "rule"),
    host.must("ip", "-6", "rule"),
    host.must("sh", "-c", "ip -4 route show table all; ip -6 route show table all | grep -v fe80"),
    host.must("nft", "list", "tables"),
    host.must("sh", "-c", "cat /proc/sys/net/ipv[46]/*fwmark* /proc/sys/net/ipv4/conf/all/src_valid_mark"),
  ]);

/** What left around the tunnel, to anywhere but as an answer: packets of both families, DNS and DHCP apart. */
async function leaked(): Promise<number> {
  const listed = await router.must("nft", "list", "chain", "inet", "edge", "from_host");
  return Number(/counter packets (\d+) bytes \d+ comment "leaked"/.exec(listed)?.[1]);
}

const putIn = async (deviations: Partial<ExitGuardOptions> = {}) => {
  const options = {
    network: "mesh",
    interfaceName: "mesh0",
    fwmark: MARK,
    meshRanges: RANGES,
    allowLan: false,
    carried: [],
    meshes: [],
  };
  const guard = new ExitGuard({ ...options, hasIpv6: true, ...deviations }, changes);
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => host.must("cat", `/proc/net/${name}`)));
  await guard.putIn(standingConnections(tables, RANGES));
  return guard;
};

const curl = async (from: LabHost, address: string, ...args: string[]) => {
  const url = `http://${address.includes(":") ? `[${address}]` : address}:${SERVICE_PORT}/`;
  const { status } = await from.run("curl", "-s", "-o", "/dev/null", "--max-time", "1", ...args, url);
  return status === 0;
};

/** One datagram; whether it could be sent and was answered. */
const asks = async (from: LabHost, address: string, port: number, bind = 0) => {
  const script = `
    const socket = require("node:dgram").createSocket(process.argv[1].includes(":") ? "udp6" : "udp4");
    const end = (status) => process.exit(status);
    socket.bind(Number(process.argv[3]), () =>
      socket.send("?", Number(process.argv[2]), process.argv[1], (failure) => failure && end(1)));
    socket.on("message", () => end(0));
    setTimeout(() => end(2), 300);`;
  return (await from.run(process.execPath, "-e", script, address, String(port), String(bind))).status === 0;
};

/** Counts lines of a download that goes on: whether more have come since the last look. */
function drips(download: LabProcess): () => Promise<void> {
  return async () => {
    const seen = download.stdout.length;
    await eventually("the connection goes on", () => download.stdout.length > seen + 20);
  };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guard-"));
  lab = await Lab.open();
  [host, router, web, neighbour, box] = [
    await lab.host("host"),
    await lab.host("router"),
    await lab.host("web"),
    await lab.host("neighbour"),
    await lab.host("box"),
  ];
  const lan = await lab.segment("lan");
  await lan.attach(host, "eth0", [`${HOST.ipv4}/24`, `${HOST.ipv6}/64`]);
  await lan.attach(router, "in0", ["192.168.7.1/24", "2001:db8:7::1/64"]);
  await lan.attach(neighbour, "eth0", [`${NEIGHBOUR}/24`, "2001:db8:7::9/64"]);
  await lab.connect(
    { host: router, device: "out0", addresses: ["203.0.113.1/24", "2001:db8:80::1/64"] },
    { host: web, device: "eth0", addresses: [`${WEB.ipv4}/24`, `${WEB.ipv6}/64`] },
  );
  await host.ip("link", "add", "br0", "type", "bridge");
  await host.ip("address", "add", "10.9.0.1/24", "dev", "br0");
  await host.ip("link", "set", "br0", "up");
  await lab.connect(
    { host, device: "port0", addresses: [] },
    { host: box, device: "eth0", addresses: ["10.9.0.2/24"] },
  );
  await host.ip("link", "set", "port0", "master", "br0");
  await host.must(
    "nft",
    "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname eth0 masquerade; }; chain pre { type nat hook prerouting priority dstnat; iifname eth0 tcp dport 2222 dnat to 10.9.0.2:8080; }; }",
  );
  for (const each of [host, router]) {
    await each.sysctl("net.ipv4.ip_forward", 1);
    await each.sysctl("net.ipv6.conf.all.forwarding", 1);
  }
  await host.ip("route", "add", "default", "via", "192.168.7.1");
  await host.ip("-6", "route", "add", "default", "via", "2001:db8:7::1");
  await web.ip("route", "add", "default", "via", "203.0.113.1");
  await web.ip("-6", "route", "add", "default", "via", "2001:db8:80::1");
  await box.ip("route", "add", "default", "via", "10.9.0.1");
  await host.addStubNetwork("mesh0", "10.86.0.2/32", "fd86::2/128");
  await router.must(
    "nft",
    `table inet edge {
      chain from_host {
        type filter hook prerouting priority raw;
        iifname != "in0" return
        ip saddr != ${HOST.ipv4} ip saddr != 10.0.0.0/8 return
        udp dport 67 return
        icmp type { echo-reply, echo-request } return
        icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report, echo-reply, echo-request } return
        tcp sport { ${SERVICE_PORT}, 2222 } return
        counter comment "leaked"
      }
    }`,
  );
  for (const each of [host, web, neighbour, box, router]) {
    const service = await each.start(process.execPath, [portService, String(SERVICE_PORT), String(DNS_PORT), "67"]);
    await eventually("the service listens", () => service.stdout.includes("listening"));
  }
  before = await state();
  changes = await HostChanges.open(join(directory, "journal"), {
    logger: silentLogger,
    run: host.runner,
    sysctls: labSysctls(host),
  });
});
afterAll(async () => {
  await changes?.[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

describe("the guard of an exit", () => {
  it("is needed: without it all of this gets out", async () => {
    for (const address of Object.values(WEB)) {
      expect(await curl(host, address)).toBe(true);
      expect(await asks(host, address, DNS_PORT)).toBe(true);
    }
    expect(await curl(box, WEB.ipv4)).toBe(true);
    expect(await asks(host, "192.168.7.1", DNS_PORT)).toBe(true);
    expect(await leaked()).toBeGreaterThan(10);
  });

  it("lets nothing out, whatever the routes, devices and name servers, and keeps the way back of who came in", async () => {
    await host.sysctl("net.ipv4.conf.all.rp_filter", 1);
    await host.sysctl("net.ipv4.conf.eth0.rp_filter", 1);
    const downloads = await Promise.all(
      Object.values(HOST).map((address) =>
        web.start("curl", ["-sN", `http://${address.includes(":") ? `[${address}]` : address}:${SERVICE_PORT}/drip`]),
      ),
    );
    const goOn = downloads.map(drips);
    for (const each of goOn) await each();

    const guard = await putIn();
    const already = await leaked();
    for (const each of goOn) await each();
    const attempt = async () => {
      const [outside, near] = [Object.values(WEB), ["192.168.7.1", NEIGHBOUR, "2001:db8:7::1"]];
      const attempts = [
        ...[...outside, ...near].flatMap((address) => [curl(host, address), asks(host, address, DNS_PORT)]),
        ...outside.map((address) => curl(host, address, "--interface", "eth0")),
        curl(box, WEB.ipv4),
        asks(box, WEB.ipv4, DNS_PORT),
        asks(box, NEIGHBOUR, DNS_PORT),
      ];
      expect(new Set(await Promise.all(attempts))).toEqual(new Set([false]));
      for (const address of Object.values(HOST)) expect(await curl(web, address)).toBe(true);
      expect(await leaked()).toBe(already);
    };
    // With nothing behind the guard, then with an exit.
    await attempt();
    await guard.lead(["ipv4", "ipv6"], await identityOf("mesh0", changes));
    await attempt();
    // DHCP's classless routes (RFC 3442), and their like of IPv6.
    await host.ip("route", "add", "203.0.113.0/24", "via", "192.168.7.1");
    await host.ip("-6", "route", "add", "2001:db8:80::/64", "via", "2001:db8:7::1");
    await attempt();
    await host.ip("route", "delete", "203.0.113.0/24");
    await host.ip("-6", "route", "delete", "2001:db8:80::/64");
    expect(await guard.blocked()).toEqual({ ipv4: expect.any(Number), ipv6: expect.any(Number) });
    const { ipv4, ipv6 } = (await guard.blocked())!;
    expect(ipv4).toBeGreaterThan(5);
    expect(ipv6).toBeGreaterThan(1);

    for (const each of goOn) await each();
    expect(await web.pings(HOST.ipv4)).toBe(true);
    expect(await web.pings(HOST.ipv6)).toBe(true);
    // A port of the host that leads to a container; and the host and its containers speak to each other.
    const forwarded = ["curl", "-s", "--max-time", "2", `http://${HOST.ipv4}:2222/`];
    expect((await web.run(forwarded[0]!, ...forwarded.slice(1))).status).toBe(0);
    expect(await curl(host, "10.9.0.2")).toBe(true);
    expect(await curl(box, "10.9.0.1")).toBe(true);
    // Our own sockets, under strict filters of reverse paths.
    expect((await host.run("ping", "-n", "-c", "1", "-W", "1", "-m", String(MARK), WEB.ipv4)).status).toBe(0);
    // DHCP, and neighbours that are looked for anew.
    expect(await asks(host, "192.168.7.1", 67, 68)).toBe(true);
    await host.ip("neigh", "flush", "dev", "eth0");
    expect(await web.pings(HOST.ipv6)).toBe(true);
    expect(await guard.takeOut()).toBe(0);
    await Promise.all(downloads.map((each) => each.kill()));
    expect(await state()).toEqual(before);
  });

  it("leads into the tunnel what the exit has, and nowhere what it has not", async () => {
    const guard = await putIn();
    const device = await identityOf("mesh0", changes);
    await guard.lead(["ipv4"], device);
    const way = async (from: string[]) => (await host.run("ip", "route", "get", ...from)).stdout;
    expect(await way([WEB.ipv4])).toContain("dev mesh0");
    expect(await way([WEB.ipv6])).toBe("");
    expect(await way([WEB.ipv4, "mark", String(MARK)])).toContain("dev eth0");
    await guard.lead(["ipv4", "ipv6"], device);
    expect(await way([WEB.ipv6])).toContain("dev mesh0");
    // Over UDP a service of one address answers from outside as long as there is a way into the tunnel.
    const echo = await host.start(process.execPath, ["-e", ECHO, HOST.ipv4, String(ECHO_PORT)]);
    await echo.waitForOutput(/listening/);
    expect(await asks(web, HOST.ipv4, ECHO_PORT)).toBe(true);
    await guard.lead([], device);
    expect(await asks(web, HOST.ipv4, ECHO_PORT)).toBe(false);
    await echo.kill();
    expect(await way([WEB.ipv4])).toBe("");
    expect(await guard.takeOut()).toBe(0);
  });

  it("keeps the local network with --exit-allow-lan, but for its name servers and what takes the mesh's place", async () => {
    const guard = await putIn({ allowLan: true });
    expect(await curl(host, NEIGHBOUR)).toBe(true);
    expect(await curl(box, NEIGHBOUR)).toBe(true);
    expect(await asks(host, NEIGHBOUR, DNS_PORT)).toBe(false);
    // What DHCP gives a gateway for is no local network, unless this host carries its peers' traffic there.
    await host.ip("route", "add", "10.77.0.0/16", "via", "192.168.7.1");
    await router.ip("address", "add", "10.77.0.1/32", "dev", "lo");
    expect(await curl(host, "10.77.0.1")).toBe(false);
    await putIn({ allowLan: true, carried: ["10.77.0.0/16"] });
    expect(await curl(host, "10.77.0.1")).toBe(true);
    await putIn({ allowLan: true });
    expect(await curl(host, "10.77.0.1")).toBe(false);
    await host.ip("route", "delete", "10.77.0.0/16");
    const already = await leaked();
    await host.ip("route", "add", "10.86.0.9/32", "via", "192.168.7.1");
    expect(await curl(host, "10.86.0.9")).toBe(false);
    await host.ip("route", "delete", "10.86.0.9/32");
    expect(await curl(host, WEB.ipv4)).toBe(false);
    expect(await leaked()).toBe(already);
    expect(await guard.takeOut()).toBe(0);
  });

  it("is put right again where somebody has taken of it, and taken from another mark", async () => {
    await putIn({ fwmark: 0x77 });
    await host.ip("rule", "delete", "priority", "5211");
    await host.ip("-6", "route", "flush", "table", "8326");
    await host.must("nft", "delete", "table", "inet", "mesh-guard");
    const guard = await putIn();
    expect(await guard.blocked()).toEqual({ ipv4: 0, ipv6: 0 });
    const rules = await host.ip("rule");
    expect(rules).toContain(`not from all fwmark 0x${MARK.toString(16)} lookup 8326 proto 134`);
    expect(rules).not.toContain("0x77");
    expect(await host.ip("-6", "route", "show", "table", "8326")).toContain("unreachable default");
    expect(await guard.takeOut()).toBe(0);
    expect(await state()).toEqual(before);
  });

  it("is refused beside another network's, which is named", async () => {
    const guard = await putIn();
    await using others = await HostChanges.open(join(directory, "other"), {
      logger: silentLogger,
      run: host.runner,
      sysctls: labSysctls(host),
    });
    const options = {
      network: "other",
      interfaceName: "mesh1",
      fwmark: MARK,
      meshRanges: RANGES,
      allowLan: false,
      carried: [],
      meshes: [],
    };
    await expect(new ExitGuard({ ...options, hasIpv6: true }, others).putIn([])).rejects.toMatchObject({
      code: "exit-guard-taken",
      message: "the guard of another exit is in force on this host (network mesh, interface mesh0)",
    });
    expect(others.list()).toEqual([]);
    expect(await guard.takeOut()).toBe(0);
  });
});
