import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { makeRouter, type NatKind } from "../support/lab/lab-router.ts";
import type { LabSegment } from "../support/lab/lab-segment.ts";
import { runMesh, startMesh } from "../support/lab/mesh-command.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { StunAsker } from "../support/stun-lab/stun-asker.ts";

// The coordinator's STUN responder and our STUN client, each against coturn's other end and through real NATs.
//
//   inside 10.0.N.2 ── router N ── 203.0.113.10N ──┐
//                                                  ├── server 203.0.113.8 and .9 (one machine)
//   inside 10.0.M.2 ── router M ── 203.0.113.10M ──┘

const PORT = 51820;
const SERVERS = [
  { address: "203.0.113.8", port: 3478 },
  { address: "203.0.113.8", port: 3479 },
  { address: "203.0.113.9", port: 3478 },
];

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

/** `mesh serve` with two addresses of each family, and a host beside it. */
async function serverAndNeighbour(...args: string[]) {
  const [host, neighbour] = [await lab.host("server"), await lab.host("neighbour")];
  await lab.connect(
    { host, device: "eth0", addresses: ["192.0.2.1/24", "192.0.2.9/24", "2001:db8::1/64", "2001:db8::9/64"] },
    { host: neighbour, device: "eth0", addresses: ["192.0.2.2/24", "2001:db8::2/64"] },
  );
  const server = await MeshServer.start(host, { publicUrl: "https://192.0.2.1:8443", args });
  return { host, neighbour, server };
}

/** What coturn's client prints of `server`, in a few seconds; it ends by itself only when it is answered. */
async function turnutils(host: LabHost, server: string, port: number): Promise<string> {
  const { stdout, stderr } = await host.run("timeout", "5", "turnutils_stunclient", "-p", String(port), server);
  return stdout + stderr;
}

async function udpPorts(host: LabHost): Promise<string[]> {
  const listed = await host.must(process.execPath, "-e", LIST_UDP_PORTS);
  return JSON.parse(listed);
}
const LIST_UDP_PORTS = `
  const lines = ["udp", "udp6"].flatMap((family) =>
    require("node:fs").readFileSync("/proc/net/" + family, "utf8").trim().split("\\n").slice(1));
  const ports = lines.map((line) => parseInt(line.trim().split(/\\s+/)[1].split(":")[1], 16));
  console.log(JSON.stringify([...new Set(ports)].sort().map(String)));
`;

describe("`mesh serve` answers STUN", () => {
  test("to coturn's client, at every address and both ports, from the address that was asked", async () => {
    const { host, neighbour, server } = await serverAndNeighbour();
    for (const [address, reflexive] of [
      ["192.0.2.1", "192.0.2.2"],
      ["192.0.2.9", "192.0.2.2"],
      ["2001:db8::1", "2001:db8::2"],
      ["2001:db8::9", "2001:db8::2"],
    ] as const) {
      for (const port of [3478, 3479]) {
        expect(await turnutils(neighbour, address, port)).toContain(`UDP reflexive addr: ${reflexive}:`);
      }
    }
    // An address that comes later is served, too.
    await host.ip("addr", "add", "192.0.2.77/24", "dev", "eth0");
    await eventually("the new address answers", async () =>
      (await turnutils(neighbour, "192.0.2.77", 3478)).includes("reflexive addr: 192.0.2.2:"),
    );
    expect(await server.stop()).toBe(0);
    expect(await udpPorts(host)).toEqual([]);
  });

  test("where `--stun-listen` says, and nowhere when it says off", async () => {
    const listen = ["--stun-listen", "192.0.2.9:5000", "--stun-listen", "[2001:db8::1]:6000"];
    const { host, neighbour, server } = await serverAndNeighbour(...listen);
    expect(await udpPorts(host)).toEqual(["5000", "6000"]);
    expect(await turnutils(neighbour, "192.0.2.9", 5000)).toContain("reflexive addr: 192.0.2.2:");
    expect(await server.stop()).toBe(0);
    const silent = await MeshServer.start(host, {
      publicUrl: server.url,
      home: server.home,
      args: ["--stun-listen", "off"],
    });
    expect(await udpPorts(host)).toEqual([]);
    expect(await silent.stop()).toBe(0);
  });

  test("or says which port another program has, and leaves nothing open", async () => {
    const host = await lab.host("server");
    await host.ip("link", "set", "lo", "up");
    const occupy = 'require("node:dgram").createSocket("udp4").bind(3479, "127.0.0.1", () => console.log("bound"))';
    const occupant = await host.start(process.execPath, ["-e", occupy]);
    await occupant.waitForOutput(/bound/);
    const home = `${host.scratchDirectory}/server`;
    const serve = ["serve", "--public-url", "https://192.0.2.1:8443"];
    const { status, stderr } = await runMesh(host, home, "--json", ...serve, "--stun-listen", ":3478");
    const { error } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
    expect([status, error.code]).toEqual([6, "port-in-use"]);
    expect(error.message).toContain(":3479/udp");
    expect(error.hint).toContain("--stun-listen off");
    // Nobody asked for the usual port: the coordinator of another network may have it.
    const without = await startMesh(host, home, serve);
    await without.waitForOutput(/no STUN here: .*:3479\/udp/);
    await without.waitForOutput(/^ready https:\/\/192\.0\.2\.1:8443$/m);
    expect(await without.stop()).toBe(0);
    await occupant.kill();
    const server = await startMesh(host, home, serve);
    await server.waitForOutput(/^ready https:\/\/192\.0\.2\.1:8443$/m);
    expect(server.stderr).not.toContain("no STUN");
    expect(await server.stop()).toBe(0);
  });
});

describe("the STUN client", () => {
  let internet: LabSegment;
  let server: LabHost;
  let routers = 0;
  beforeAll(async () => {
    [internet, server] = [await lab.segment("internet"), await lab.host("server")];
    await internet.attach(server, "eth0", ["203.0.113.8/24", "203.0.113.9/24"]);
    await MeshServer.start(server, { publicUrl: "https://203.0.113.8:8443" });
  });

  /** A client behind a router of its own, and where it is seen unless the router rewrites the port. */
  async function behind(nat: NatKind) {
    const [inside, router] = [await lab.host("inside"), await lab.host("router")];
    const number = ++routers;
    const [own, gateway, outside] = [`10.0.${number}.2`, `10.0.${number}.1`, `203.0.113.${100 + number}`];
    await lab.connect(
      { host: inside, device: "eth0", addresses: [`${own}/24`] },
      { host: router, device: "in0", addresses: [`${gateway}/24`] },
    );
    await internet.attach(router, "out0", [`${outside}/24`]);
    await inside.ip("route", "add", "default", "via", gateway);
    await server.ip("route", "add", `10.0.${number}.0/24`, "via", outside);
    await makeRouter(router, { nat, outside: "out0", inside: "in0", insideHost: own });
    const asker = await StunAsker.start(inside, { port: PORT, addresses: [own], servers: SERVERS });
    return { router, asker, reflexive: [{ address: nat === "none" ? own : outside, port: PORT }] };
  }

  it.each<NatKind>(["none", "port-restricted", "full-cone"])("behind a router of kind %s", async (nat) => {
    const { asker, reflexive } = await behind(nat);
    const { nat: report, servers } = await asker.report();
    const ipv4 = { mapping: "endpoint-independent", dependsOn: "nothing", isPortPreserved: true, reflexive };
    expect(report).toMatchObject({ udp: true, mapping: ipv4.mapping, ipv4: { ...ipv4, isBehindNat: nat !== "none" } });
    expect(servers.map(({ server, outcome }) => [server, outcome])).toEqual(SERVERS.map((each) => [each, "answered"]));
    for (const { rttMs } of servers) expect(rttMs).toBeGreaterThan(0);
  });

  it("behind a router of kind endpoint-dependent", async () => {
    const { asker } = await behind("endpoint-dependent");
    const { ipv4, mapping } = (await asker.report()).nat;
    expect(mapping).toBe("endpoint-dependent");
    expect(ipv4).toMatchObject({ dependsOn: "address-and-port", isBehindNat: true, isPortPreserved: false });
    expect(ipv4.reflexive).toHaveLength(SERVERS.length);
  });

  it("finds UDP blocked, and open again", async () => {
    const { router, asker } = await behind("port-restricted");
    expect((await asker.report()).nat.udp).toBe(true);
    await router.must(
      "nft",
      "add table inet wall; add chain inet wall forward { type filter hook forward priority 0; };" +
        "add rule inet wall forward meta l4proto udp drop",
    );
    expect((await asker.report()).nat).toMatchObject({ udp: false, mapping: "blocked" });
    await router.must("nft", "delete table inet wall");
    expect((await asker.report()).nat).toMatchObject({ udp: true, mapping: "endpoint-independent" });
  });

  it("understands coturn's server, over IPv4 and IPv6", async () => {
    const [client, server] = [await lab.host("client"), await lab.host("coturn")];
    await lab.connect(
      { host: client, device: "eth0", addresses: ["192.0.2.2/24", "2001:db8::2/64"] },
      { host: server, device: "eth0", addresses: ["192.0.2.1/24", "2001:db8::1/64"] },
    );
    const files = ["--pidfile", `${server.scratchDirectory}/pid`, "--log-file", "stdout"];
    const listen = ["-L", "192.0.2.1", "-L", "2001:db8::1", "-p", "3478"];
    await server.start("turnserver", ["-n", "--stun-only", "--no-cli", "--no-tls", "--no-dtls", ...files, ...listen]);
    for (const [own, other] of [
      ["192.0.2.2", "192.0.2.1"],
      ["2001:db8::2", "2001:db8::1"],
    ] as const) {
      const asker = await StunAsker.start(client, {
        port: PORT,
        addresses: [own],
        servers: [{ address: other, port: 3478 }],
      });
      await eventually("coturn answers", async () => {
        const { servers } = await asker.report();
        return servers[0]?.outcome === "answered" && servers[0].reflexive?.address === own;
      });
    }
  });
});
