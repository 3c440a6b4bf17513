import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { netcheckReplySchema, type StatusPeer } from "../../src/api/local.ts";
import { metricsSchema } from "../../src/api/local-metrics.ts";
import { eventually } from "../support/lab/eventually.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { dropWall, raiseWall, UDP_ALL } from "../support/lab/udp-wall.ts";
import { promtool } from "../support/promtool.ts";

// What users ask of paths, against real daemons on one segment, where UDP works all the time unless a test takes it away.

const METRICS_ADDRESS = "127.0.0.1:9586";

let network: SmallNetwork;
let alice: MeshPeer;
let bob: MeshPeer;

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "bob", "carol");
  alice = await network.join("alice");
  bob = await network.join("bob", { args: ["--metrics-listen", METRICS_ADDRESS] });
});
afterAll(() => network[Symbol.asyncDispose]());

function uses(peer: MeshPeer, name: string, transport: string): Promise<StatusPeer> {
  return eventually(
    `${peer.host.label} reaches ${name} by ${transport}`,
    async () => {
      const other = await peer.peer(name);
      return other?.path?.transport === transport ? other : undefined;
    },
    { timeoutMs: 30_000, intervalMs: 100 },
  );
}

const mesh = (peer: MeshPeer, ...args: string[]) => runMesh(peer.host, peer.home, ...args);
const pings = async (peer: MeshPeer, name: string) => (await mesh(peer, "ping", name, "-c", "1")).status === 0;

/** Ends the daemon by `mesh down`, and starts it again from what it left on disk. */
async function again(peer: MeshPeer, ...args: string[]): Promise<MeshPeer> {
  expect((await mesh(peer, "down")).status).toBe(0);
  await peer.process.exited;
  return MeshPeer.up(peer, args);
}

describe("mesh prefer", () => {
  it("puts a transport before the others, on both sides, and says why", async () => {
    expect(await pings(alice, "bob")).toBe(true);
    await uses(alice, "bob", "udp");
    expect(await meshJson(alice.host, alice.home, "prefer", "bob", "relay")).toEqual({
      peer: "bob",
      preference: { prefer: "relay", exclude: [], from: "command" },
    });
    const { path, paths, preference } = await uses(alice, "bob", "relay");
    expect(path?.reason).toBe("relay is preferred for this peer");
    expect(paths.find(({ transport }) => transport === "udp")?.usable).toBe(true);
    expect(preference).toEqual({ prefer: "relay", exclude: [], from: "command" });
    await uses(bob, "alice", "relay");
    expect(await pings(alice, "bob")).toBe(true);
  }, 60_000);

  it("holds over a restart of the daemon", async () => {
    alice = await again(alice);
    expect(await pings(alice, "bob")).toBe(true);
    await uses(alice, "bob", "relay");
    expect(await meshJson(alice.host, alice.home, "prefer")).toMatchObject({
      transports: ["udp", "ssh", "relay"],
      peers: [{ peer: "bob", preference: { prefer: "relay" } }],
    });
  }, 60_000);

  it("auto gives the choice back, and UDP wins", async () => {
    expect((await mesh(alice, "prefer", "bob", "auto")).stdout).toBe("bob: auto (mesh prefer)\n");
    await Promise.all([uses(alice, "bob", "udp"), uses(bob, "alice", "udp")]);
  }, 60_000);

  it("leaves a transport that is excluded at once, and takes it back", async () => {
    expect((await mesh(alice, "prefer", "bob", "--only", "relay")).status).toBe(0);
    const { path, paths } = await uses(alice, "bob", "relay");
    expect(path?.reason).toBe("UDP is excluded for this peer");
    expect(paths.filter(({ usable }) => usable).map(({ transport }) => transport)).toEqual(["relay"]);
    expect(await pings(alice, "bob")).toBe(true);
    // Bob, who has nothing against UDP, answers the same way.
    await uses(bob, "alice", "relay");
    expect((await mesh(alice, "prefer", "bob", "--unset")).stdout).toBe("bob: auto\n");
    await uses(alice, "bob", "udp");
  }, 60_000);

  it("shows in the metrics of a daemon that is listened to", async () => {
    await uses(bob, "alice", "udp");
    const text = await bob.host.must("curl", "-sS", `http://${METRICS_ADDRESS}/metrics`);
    expect(promtool(["check", "metrics"], text)).toBe("");
    expect(text).toContain('mesh_peer_path{peer="alice",transport="udp"} 1\n');
    const valueAt = (series: string) => Number(text.split(`\n${series} `)[1]?.split("\n")[0]);
    expect(valueAt('mesh_peer_path_changes_total{peer="alice"}')).toBeGreaterThanOrEqual(3);
    expect(valueAt('mesh_peer_receive_bytes_total{peer="alice"}')).toBeGreaterThan(1000);
    expect(valueAt('mesh_peer_handshakes_total{peer="alice"}')).toBeGreaterThanOrEqual(1);
    expect(valueAt('mesh_data_thread_seconds_total{stage="inbound"}')).toBeGreaterThan(0);
    expect(valueAt("mesh_receive_datagrams_total")).toBeGreaterThan(1);
    const printed = await meshJson(bob.host, bob.home, "metrics");
    expect(metricsSchema.shape.metrics.parse(printed).map(({ name }) => name)).toContain("mesh_peer_rtt_seconds");
    const ready = await bob.host.must("curl", "-sS", `http://${METRICS_ADDRESS}/readyz`);
    expect(ready).toBe('{"status":"ready"}');
  });

  it("stands in the log, which `mesh logs` prints", async () => {
    const { stdout } = await mesh(alice, "logs", "-n", "1000", "--level", "info");
    expect(stdout).toMatch(/ info {2}path chosen peer=bob path="udp /);
    const wrong = await mesh(alice, "--json", "logs", "--level", "loud");
    expect({ exit: wrong.status, ...JSON.parse(wrong.stderr).error }).toMatchObject({ exit: 2, code: "bad-usage" });
  });

  it("knows the peers that there are", async () => {
    const unknown = await mesh(alice, "--json", "prefer", "mallory", "udp");
    expect({ exit: unknown.status, ...JSON.parse(unknown.stderr).error }).toMatchObject({ exit: 5, code: "not-found" });
  });
});

describe("mesh ping --until-direct", () => {
  it("ends with the first answer over UDP", async () => {
    await uses(alice, "bob", "udp");
    const { status, stdout } = await mesh(alice, "ping", "bob", "--until-direct", "--json");
    const replies: unknown[] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect({ status, last: replies.at(-1) }).toMatchObject({ status: 0, last: { peer: "bob", transport: "udp" } });
  });

  it("ends with 7 where only others answer", async () => {
    await mesh(alice, "prefer", "bob", "--only", "relay");
    await uses(alice, "bob", "relay");
    const result = await mesh(alice, "--json", "ping", "bob", "--until-direct", "-c", "2");
    expect({ exit: result.status, ...JSON.parse(result.stderr).error }).toMatchObject({ exit: 7, code: "timeout" });
    expect(result.stderr).toContain("answers by relay, but not by UDP");
    const timed = await mesh(alice, "--json", "ping", "bob", "--until-direct", "--timeout", "1s");
    expect(timed.status).toBe(7);
    await mesh(alice, "prefer", "bob", "--unset");
  });
});

describe("mesh netcheck", () => {
  const netcheck = async () => netcheckReplySchema.parse(await meshJson(alice.host, alice.home, "netcheck"));

  it("tells what the network lets through, measured now", async () => {
    expect(await netcheck()).toMatchObject({
      udp: true,
      ipv4: true,
      ipv6: true,
      mapping: "endpoint-independent",
      publicEndpoint: "192.0.2.2:51820",
      relays: [{ url: network.server.url, connected: true, rttMs: expect.any(Number) }],
      captivePortal: false,
      coordinator: { reached: true },
    });
    await raiseWall(alice.host, UDP_ALL);
    expect(await netcheck()).toMatchObject({ udp: false, mapping: "blocked", captivePortal: false });
    await dropWall(alice.host);
    expect(await netcheck()).toMatchObject({ udp: true, mapping: "endpoint-independent" });
  }, 60_000);

  it("sees who answers in the coordinator's place", async () => {
    const portal =
      "require('node:http').createServer((q,s)=>s.writeHead(302,{location:'http://portal.invalid/'}).end('log in'))" +
      ".listen(80,()=>console.log('up'))";
    const web = await network.serverHost.start(process.execPath, ["-e", portal]);
    await web.waitForOutput(/up/);
    const table = "mesh-lab-portal";
    const rules = `table ip ${table} { chain in { type nat hook prerouting priority -100; tcp dport 8443 redirect to :80; }; }`;
    await network.serverHost.must("nft", rules);
    expect(await netcheck()).toMatchObject({ captivePortal: true, coordinator: { reached: false } });
    await network.serverHost.must("nft", "delete", "table", "ip", table);
    await web.kill();
    expect(await netcheck()).toMatchObject({ captivePortal: false, coordinator: { reached: true } });
  }, 60_000);
});

describe("--transports", () => {
  it("relay: no UDP, neither asked for nor used, and it holds over a restart", async () => {
    let carol = await network.join("carol", { args: ["--transports", "relay"] });
    expect(await pings(carol, "bob")).toBe(true);
    const onlyRelay = async () => {
      const { paths } = await uses(carol, "bob", "relay");
      expect([...new Set(paths.filter(({ usable }) => usable).map(({ transport }) => transport))]).toEqual(["relay"]);
    };
    await onlyRelay();
    expect((await carol.status()).self?.endpoints).toEqual([]);
    const seen = await uses(bob, "carol", "relay");
    expect(seen.paths.map(({ transport }) => transport)).not.toContain("udp");

    const refused = await mesh(carol, "--json", "prefer", "bob", "udp");
    expect({ exit: refused.status, ...JSON.parse(refused.stderr).error }).toMatchObject({
      exit: 6,
      code: "transport-excluded",
    });
    expect(netcheckReplySchema.parse(await meshJson(carol.host, carol.home, "netcheck"))).toMatchObject({ udp: true });

    carol = await again(carol);
    expect(await pings(carol, "bob")).toBe(true);
    await onlyRelay();
    carol = await again(carol, "--transports", "udp");
    expect(await pings(carol, "bob")).toBe(true);
    const { paths } = await uses(carol, "bob", "udp");
    expect(new Set(paths.map(({ transport }) => transport))).toEqual(new Set(["udp"]));
    expect(await meshJson(carol.host, carol.home, "netcheck")).toMatchObject({ relays: [] });
    await carol.stop();
  }, 120_000);

  it("what was asked for a peer that has left can be dropped", async () => {
    const carol = { host: network.host("carol"), home: `${network.host("carol").scratchDirectory}/peer` };
    expect((await mesh(alice, "prefer", "carol", "relay")).status).toBe(0);
    expect((await runMesh(carol.host, carol.home, "leave", "--yes")).status).toBe(0);
    await eventually("alice does not see carol any more", async () => (await alice.peer("carol")) === undefined);
    expect((await mesh(alice, "prefer", "carol", "udp")).status).toBe(5);
    expect((await mesh(alice, "prefer", "carol", "--unset")).status).toBe(0);
    expect(await meshJson(alice.host, alice.home, "prefer")).toMatchObject({ peers: [] });
  });
});
