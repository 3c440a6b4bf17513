import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Status, statusSchema } from "../../src/api/local.ts";
import { asUnit } from "../support/lab/as-unit.ts";
import { eventually } from "../support/lab/eventually.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

// The coordinator's host as a peer of its own network, in the order of a life: refused, joined, stopped, killed, gone.

const BARE_HOST = "bare";
/** A peer whose coordinator was away asks after a growing time, half a minute at most, and waits ten seconds for an answer. */
const RECONNECTION_MS = 50_000;

describe("mesh serve --join", { timeout: 150_000 }, () => {
  let network: SmallNetwork;
  let alice: MeshPeer;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", BARE_HOST);
    // What an exit needs; nothing is sent there.
    await network.serverHost.ip("route", "add", "default", "dev", "eth0");
    alice = await network.join("alice");
  });
  afterAll(() => network[Symbol.asyncDispose]());

  const onHost = (...args: string[]) => runMesh(network.serverHost, network.server.home, ...args);
  const hostStatus = async (): Promise<Status> =>
    statusSchema.parse(await meshJson(network.serverHost, network.server.home, "status"));
  const hostRuns = () =>
    eventually("the host's daemon runs, and is connected", async () => {
      const status = await hostStatus();
      return status.state === "running" && status.coordinator?.connected ? status : undefined;
    });
  const aliceIsConnected = () =>
    eventually("alice is connected", async () => (await alice.status()).coordinator?.connected === true, {
      timeoutMs: RECONNECTION_MS,
    });
  const codeOf = (stderr: string) => JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code;

  /** Process ids of the host's own daemon; no other `mesh up` or `join` runs in this namespace. */
  async function daemonPids(): Promise<number[]> {
    const pids = (await network.serverHost.must("ip", "netns", "pids", network.serverHost.namespace))
      .trim()
      .split("\n");
    const found: number[] = [];
    for (const pid of pids) {
      const { stdout } = await network.serverHost.run("cat", `/proc/${pid}/environ`);
      if (stdout.includes("MESH_CHILD=member")) found.push(Number(pid));
    }
    return found;
  }

  async function hostState(): Promise<object> {
    const host = network.serverHost;
    const [links, routes4, routes6, rules4, rules6, ruleset, resolver] = await Promise.all([
      host.ip("-o", "-br", "link"),
      host.ip("-4", "route", "show", "table", "all"),
      host.ip("-6", "route", "show", "table", "all"),
      host.ip("-4", "rule"),
      host.ip("-6", "rule"),
      host.must("nft", "list", "ruleset"),
      host.must("cat", "/etc/resolv.conf"),
    ]);
    return { links, routes4, routes6, rules4, rules6, ruleset, resolver };
  }

  it("is refused without CAP_NET_ADMIN and without /dev/net/tun, before anything is made", async () => {
    const host = network.host(BARE_HOST);
    const home = `${host.scratchDirectory}/serve`;
    const serve = [process.execPath, "dist/bundle/main.js", "--home", home, "--json", "serve", "--join"];
    const noCapability = await host.run(
      "setpriv",
      "--bounding-set",
      "-net_admin",
      "--inh-caps",
      "-net_admin",
      ...serve,
    );
    expect({ exit: noCapability.status, code: codeOf(noCapability.stderr) }).toEqual({
      exit: 4,
      code: "missing-capability",
    });
    const hideTun = 'mount -t tmpfs none /dev/net && exec "$0" "$@"';
    const noTun = await host.run("unshare", "-m", "sh", "-c", hideTun, ...serve);
    expect({ exit: noTun.status, code: codeOf(noTun.stderr) }).toEqual({ exit: 1, code: "no-tun-device" });
    expect(existsSync(home)).toBe(false);
  });

  it("is refused by a port that the coordinator itself was told to have", async () => {
    const { runner, scratchDirectory } = network.host(BARE_HOST);
    const clash = ["serve", "--public-url", "https://192.0.2.3:8443", "--stun-listen", "192.0.2.3:51820", "--join"];
    const args = ["dist/cli/main.js", "--home", `${scratchDirectory}/clash`, "--json", ...clash];
    const { status, stderr, stdout } = await runner(process.execPath, args);
    expect({ exit: status, code: codeOf(stderr) }).toEqual({ exit: 6, code: "port-in-use" });
    expect(stderr).toContain("UDP port 51820 is in use");
    expect(stdout).not.toContain("ready");
  });

  let before: object;

  it("is refused by a name that another peer has: the coordinator does not start", async () => {
    before = await hostState();
    expect(await network.server.stop()).toBe(0);
    const taken = await onHost("--json", "serve", "--public-url", network.server.url, "--join", "alice");
    expect({ exit: taken.status, code: codeOf(taken.stderr) }).toEqual({ exit: 6, code: "name-taken" });
    expect(taken.stdout).not.toContain("ready");
    expect(await hostState()).toEqual(before);
  });

  let first: Status["self"];

  it("makes the host a peer in infra that all see, at addresses that lead to it", async () => {
    const { home, url: publicUrl } = network.server;
    const wrapper = asUnit("mesh-server.service", "mesh-server.service.d/join.conf");
    network.server = await MeshServer.start(network.serverHost, {
      home,
      publicUrl,
      wrapper,
      args: ["--join", "gateway"],
    });
    expect(network.server.process.stdout).toMatch(/this host is gateway in mesh: 10\.86\.\S+ and fd\S+/);
    const status = await hostRuns();
    first = status.self;
    expect(status.self).toMatchObject({ name: "gateway", cidr: "infra", admin: false, listenPort: 51820 });
    expect(status.self?.endpoints).toEqual(["192.0.2.1:51820", "[2001:db8::1]:51820"]);
    const { ip4, ip6 } = status.self!;
    await alice.reaches("gateway", RECONNECTION_MS);
    const aliceSelf = (await alice.status()).self!;
    for (const address of [ip4, ip6]) expect(await alice.host.pings(address)).toBe(true);
    for (const address of [aliceSelf.ip4, aliceSelf.ip6]) expect(await network.serverHost.pings(address)).toBe(true);
    expect((await alice.peer("gateway"))?.path).toMatchObject({ transport: "udp" });
  });

  it("answers the words of every peer, and of the coordinator, on the same host", async () => {
    expect(await meshJson(network.serverHost, network.server.home, "peers")).toMatchObject([{ name: "alice" }]);
    expect((await onHost("ping", "alice", "-c", "1")).status).toBe(0);
    expect((await onHost("exit", "offer", "on")).status).toBe(0);
    expect((await hostStatus()).exit.offering).toBe(true);
    expect((await onHost("exit", "offer", "off")).status).toBe(0);
    const peers = await meshJson(network.serverHost, network.server.home, "peer", "list");
    expect(peers).toContainEqual(expect.objectContaining({ name: "gateway", cidr: "infra", online: true }));
  });

  it("has its daemon read its own configuration again as well", async () => {
    const { process } = network.server;
    process.signal("SIGHUP");
    await process.waitForOutput(/(the configuration is read again[\s\S]*){2}/);
    expect(process.isRunning).toBe(true);
  });

  it("stays down after `mesh down`, over a restart as well; the coordinator serves on", async () => {
    expect((await onHost("down")).status).toBe(0);
    expect(await hostState()).toEqual(before);
    await aliceIsConnected();
    expect(await network.server.stop()).toBe(0);
    expect(await daemonPids()).toEqual([]);
    await network.startServerAgain("--join", "gateway");
    await eventually("its daemon is there, stopped", async () => (await hostStatus()).state === "stopped");
  });

  it("comes back by `mesh up`: after a restart it is the same peer, without another token", async () => {
    expect((await onHost("up")).status).toBe(0);
    const { self } = await hostRuns();
    expect(self).toMatchObject({ name: "gateway", ip4: first?.ip4, ip6: first?.ip6, publicKey: first?.publicKey });
    await alice.reaches("gateway", RECONNECTION_MS);
    const tokens = (await meshJson(network.serverHost, network.server.home, "token", "list")) as { cidr: string }[];
    // Of the start that failed by the name, none was made.
    expect(tokens.filter(({ cidr }) => cidr === "infra")).toHaveLength(1);
  });

  it("a daemon that is killed is started again, and the coordinator never stops", async () => {
    const [pid] = await daemonPids();
    process.kill(pid!, "SIGKILL");
    await network.server.process.waitForOutput(/this host is no peer for now/);
    await eventually("another daemon runs", async () => {
      const pids = await daemonPids();
      return pids.length === 1 && pids[0] !== pid && (await hostStatus()).state === "running";
    });
    await aliceIsConnected();
    await alice.reaches("gateway", RECONNECTION_MS);
  });

  it("a killed coordinator takes its daemon along, which cleans up", async () => {
    await network.server.process.kill();
    await eventually("nobody is left", async () => (await daemonPids()).length === 0);
    expect(await hostState()).toEqual(before);
  });

  it("a port that both want is the coordinator's once there is a network", async () => {
    await network.startServerAgain("--join", "--stun-listen", "192.0.2.1:51820");
    await network.server.process.waitForOutput(/this host is no peer for now: UDP port 51820 is in use/);
    expect((await onHost("peer", "list")).status).toBe(0);
    expect(await network.server.stop()).toBe(0);
    expect(await hostState()).toEqual(before);
  });

  it("reaches its coordinator where the public URL is out of reach, behind a proxy that ends TLS", async () => {
    const stunWhereNamesAreAsked = ["--stun-listen", "0.0.0.0:53"];
    await network.startServerAgain("--tls", "off", "--listen", "127.0.0.1:8080", "--join", ...stunWhereNamesAreAsked);
    const { self, coordinator } = await hostRuns();
    expect(self).toMatchObject({ name: "gateway", ip4: first?.ip4 });
    expect(coordinator?.url).toMatch(/^https:\/\/127\.0\.0\.1:/);
    const { stdout } = await network.serverHost.run("dig", "+short", "+tries=1", "gateway.mesh");
    expect(stdout.trim()).toBe(first?.ip4);
  });

  it("after kill -9 of both, the next start and its end leave nothing on the host", async () => {
    expect((await onHost("exit", "offer", "on")).status).toBe(0);
    const [pid] = await daemonPids();
    process.kill(pid!, "SIGKILL");
    await network.server.process.kill();
    await network.startServerAgain("--join", "gateway");
    expect((await hostRuns()).warnings).toEqual([]);
    await alice.reaches("gateway", RECONNECTION_MS);
    expect(await hostState()).not.toEqual(before);
    expect(await network.server.stop()).toBe(0);
    expect(await hostState()).toEqual(before);
  });

  it("after `mesh leave` the coordinator serves on, and the next start joins anew", async () => {
    await network.startServerAgain("--join", "gateway");
    await hostRuns();
    expect((await onHost("leave", "--yes")).status).toBe(0);
    await network.server.process.waitForOutput(/this host is a peer no more/);
    await aliceIsConnected();
    await eventually("alice sees it no more", async () => (await alice.peer("gateway")) === undefined);
    expect((await onHost("peer", "list")).stdout).not.toContain("gateway");
    expect(await network.server.stop()).toBe(0);
    await network.startServerAgain("--join", "door");
    expect((await hostRuns()).self).toMatchObject({ name: "door", cidr: "infra" });
  });
});
