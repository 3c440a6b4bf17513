import { createSocket } from "node:dgram";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../../src/base/clock.ts";
import { DisposeStack } from "../../../../src/base/dispose.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { DnsKeeper, type DnsKeeperDeps } from "../../../../src/daemon/dns/dns-keeper.ts";
import { Warnings } from "../../../../src/daemon/warnings.ts";
import { serverText } from "../../../../src/dns/forward/routes.ts";
import { Listeners } from "../../../../src/dns/server/listeners.ts";
import { loopbackCandidates } from "../../../../src/dns/server/loopback.ts";
import { plainSocket } from "../../../../src/host/tcp.ts";
import { plainUdp } from "../../../../src/host/udp.ts";
import { addressOf, DnsUpstream } from "../../../support/dns/dns-upstream.ts";
import { mapPeer, networkMap } from "../../../support/network-map.ts";

let resources = new DisposeStack();
afterEach(async () => {
  await resources.close();
  resources = new DisposeStack();
});

/** What it answers is asked of it directly, unless it is to listen. */
async function keeper(fields: Partial<DnsKeeperDeps> = {}, enabled = true): Promise<DnsKeeper> {
  const map = networkMap([mapPeer("alice", 2)]);
  const upstream = resources.use(await DnsUpstream.open((asked) => addressOf(asked, "192.0.2.80")));
  const opened = await DnsKeeper.open(
    { enabled, interfaceName: "mesh-test", network: map.network, self: map.self },
    {
      sockets: { openUdp: plainUdp, dial: plainSocket },
      clock: systemClock,
      logger: silentLogger,
      warnings: new Warnings(() => {}),
      exit: () => undefined,
      neighbours: () => [],
      servesPeers: () => false,
      systemServers: async () => ({ servers: [serverText(upstream.server)], source: "/etc/resolv.conf" }),
      ...fields,
    },
  );
  resources.use(opened);
  opened.setNetwork(map);
  return opened;
}

describe("mesh dns query", () => {
  const brief = async (dns: DnsKeeper, name: string, type: string | null = null) =>
    (await dns.query({ name, type })).replies.map(({ rcode, by, answers }) =>
      [rcode, by, ...answers.map(({ name, type, data }) => `${name} ${type} ${data}`)].join(", "),
    );

  it("says who answered: the mesh, a server, what it said before, or nobody", async () => {
    const dns = await keeper();
    expect(await brief(dns, "alice")).toEqual([
      "NOERROR, mesh, alice.mesh A 10.86.0.2",
      "NOERROR, mesh, alice.mesh AAAA fd86::2",
    ]);
    expect(await brief(dns, "10.86.0.2")).toEqual(["NOERROR, mesh, 2.0.86.10.in-addr.arpa PTR alice.mesh"]);
    expect(await brief(dns, "nobody.mesh", "A")).toEqual(["NXDOMAIN, mesh"]);
    expect(await brief(dns, "alice.mesh", "type65")).toEqual(["NOERROR, mesh"]);
    expect(await brief(dns, "www.example.", "a")).toEqual(["NOERROR, server, www.example A 192.0.2.80"]);
    expect(await brief(dns, "www.example", "A")).toEqual(["NOERROR, cache, www.example A 192.0.2.80"]);
    expect(await brief(dns, "alice.mesh", "AXFR")).toEqual(["REFUSED, none"]);
    await expect(dns.query({ name: "alice.mesh", type: "NONSENSE" })).rejects.toMatchObject({ code: "bad-usage" });
  });

  it("follows the map at once, and keeps nothing that other servers said", async () => {
    const dns = await keeper();
    await dns.query({ name: "www.example", type: "A" });
    dns.setNetwork(networkMap([mapPeer("alicia", 2)]));
    expect(await brief(dns, "alice.mesh", "A")).toEqual(["NXDOMAIN, mesh"]);
    expect(await brief(dns, "alicia.mesh", "A")).toEqual(["NOERROR, mesh, alicia.mesh A 10.86.0.2"]);
    expect(dns.status().cached).toBe(1);
    const servers = ["127.0.0.1#9"];
    dns.setNetwork(networkMap([], { dns: { records: [], servers, splits: [] } }));
    expect(dns.status()).toMatchObject({ cached: 0, routes: [{ suffix: null, servers, reason: "the network's" }] });
  });
});

describe("with an exit", () => {
  it("nothing is asked by sockets that its guard lets by, from the moment that one is asked for", async () => {
    let exit: "awaited" | undefined;
    const marked: string[] = [];
    const sockets = {
      openUdp: (address: string) => {
        marked.push(address);
        return plainUdp(address);
      },
      dial: plainSocket,
    };
    const dns = await keeper({ sockets, exit: () => exit });
    const server = resources.use(await DnsUpstream.open((asked) => addressOf(asked, "192.0.2.80", 0)));
    dns.setNetwork(networkMap([], { dns: { records: [], servers: [serverText(server.server)], splits: [] } }));
    await dns.query({ name: "a.example", type: "A" });
    expect(marked).toHaveLength(1);
    exit = "awaited";
    await dns.query({ name: "a.example", type: "A" });
    expect(server.asked).toHaveLength(2);
    expect(marked).toHaveLength(1);
  });
});

describe("--no-dns", () => {
  it("leaves this host alone; peers whose exit it is are served all the same, as long as it is one", async () => {
    let isExit = false;
    const warnings = new Warnings(() => {});
    const dns = await keeper({ warnings, servesPeers: () => isExit }, false);
    dns.keep();
    expect(dns.status()).toMatchObject({ enabled: false, listeners: [], routes: [] });
    isExit = true;
    dns.keep();
    // This machine has no mesh: the addresses are not there.
    await vi.waitFor(() =>
      expect(dns.status().listeners.map(({ address }) => address)).toEqual(["10.86.0.1", "fd86::1"]),
    );
    await vi.waitFor(() => expect(dns.status().routes[0]?.servers).toHaveLength(1));
    expect([dns.service, dns.isOpenToPeers]).toEqual([undefined, false]);
    expect(warnings.list().join("\n")).toContain("it is tried again by itself");
    isExit = false;
    dns.keep();
    await vi.waitFor(() => expect(dns.status()).toMatchObject({ listeners: [], routes: [] }));
    expect(warnings.list()).toEqual([]);
  });
});

describe("where it listens", () => {
  it("the same loopback address for a network each time; the next one where that is taken", async () => {
    const candidates = loopbackCandidates("mesh0");
    expect(loopbackCandidates("mesh0")).toEqual(candidates);
    expect(new Set([...candidates, ...loopbackCandidates("mesh1")]).size).toBeGreaterThan(8);
    for (const address of candidates) expect(address).toMatch(/^127\.0\.0\.(6[4-9]|[7-9]\d|1\d\d|2[0-4]\d|25[0-3])$/);
    // Some port that is free: the test need not be root, and port 53 is the host's.
    const taken = createSocket("udp4");
    await new Promise<void>((resolve) => taken.bind(0, candidates[0], resolve));
    const { port } = taken.address();
    const listeners = await Listeners.open({
      addresses: ["192.0.2.77"],
      loopback: candidates,
      port,
      responder: { answer: () => undefined },
      askerAt: () => "host",
    });
    expect(listeners.states).toEqual([
      { address: "192.0.2.77", port, problem: "this host does not have the address" },
      { address: candidates[1], port, problem: null },
    ]);
    await listeners[Symbol.asyncDispose]();
    taken.close();
  });

  it("what somebody else has is tried again, and had as soon as that one gives it up", async () => {
    const taken = createSocket("udp4");
    await new Promise<void>((resolve) => taken.bind(0, "127.0.0.1", resolve));
    const { port } = taken.address();
    let changes = 0;
    const listeners = await Listeners.open({
      addresses: ["127.0.0.1"],
      loopback: [],
      port,
      responder: { answer: () => undefined },
      askerAt: () => "host",
      onChange: () => changes++,
    });
    const problem = `another program has port ${port} there, or on all addresses`;
    expect(listeners.states).toEqual([{ address: "127.0.0.1", port, problem }]);
    taken.close();
    await vi.waitFor(() => expect(changes).toBe(1), { timeout: 5000 });
    expect(listeners.states).toEqual([{ address: "127.0.0.1", port, problem: null }]);
    await listeners[Symbol.asyncDispose]();
  });

  it("what it cannot have is a warning, and no reason to fail", async () => {
    const warnings = new Warnings(() => {});
    const dns = await keeper({ warnings });
    expect(warnings.list().join("\n")).toContain("names of the mesh are not answered at 10.86.0.1");
    expect(dns.service?.server.startsWith("127.")).not.toBe(false);
  });
});
