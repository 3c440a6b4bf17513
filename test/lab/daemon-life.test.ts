import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { statusSchema } from "../../src/api/local.ts";
import { dnsStatusSchema } from "../../src/api/local-dns.ts";
import { ROUTES } from "../../src/daemon/local-api/routes.ts";
import { asUnit } from "../support/lab/as-unit.ts";
import { eventually } from "../support/lab/eventually.ts";
import { fuzzLocalApi } from "../support/lab/fuzz-local-api.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";
import { meshJson, runMesh, startMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { NotifySocket } from "../support/notify-socket.ts";

const CLOCK_TICKS_PER_SECOND = 100;
/** poll(2) of x86-64, ppoll(2) of arm64: in which the data thread alone sleeps. */
const POLL_NUMBERS = new Set(["7", "73"]);
const IDLE_SECONDS = 10;
const IDLE_WINDOWS = 3;

describe("a daemon's life", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "carol");
    alice = await network.join("alice");
  });
  afterAll(() => network[Symbol.asyncDispose]());

  async function leavesNothing(host: LabHost): Promise<void> {
    expect(await host.must("ip", "-o", "link")).not.toContain("mesh0");
    expect(await host.must("ip", "route")).not.toContain("10.86");
    expect(await host.must("ip", "-6", "route")).not.toContain("mesh0");
    expect(await host.must("ls", "/var/run/wireguard")).toBe("");
  }

  it.each(["SIGTERM", "SIGINT"] as const)("%s ends it cleanly, and `up` goes on from there", async (signal) => {
    expect(await alice.process.stop(signal)).toBe(0);
    await leavesNothing(alice.host);
    const { status, stdout } = await runMesh(alice.host, alice.home, "status", "--json");
    expect(status).toBe(3);
    expect(statusSchema.parse(JSON.parse(stdout)).state).toBe("stopped");
    alice = await MeshPeer.up(alice);
  });

  it("a terminal that is closed under it ends it as cleanly", async () => {
    expect(await alice.stop()).toBe(0);
    const onTerminal = ["sh", "-c", 'exec script -qfc "$*" /dev/null', "sh"];
    const terminal = await startMesh(alice.host, alice.home, ["up"], {}, onTerminal);
    await terminal.waitForOutput(/running: alice in mesh/);
    await terminal.kill();
    await eventually("it has left nothing", () => leavesNothing(alice.host).then(() => true));
    alice = await MeshPeer.up(alice);
  });

  it("a signal in the middle of the start ends it as cleanly", async () => {
    expect(await alice.stop()).toBe(0);
    const started = await startMesh(alice.host, alice.home, ["up"]);
    await eventually("it has begun", () => existsSync(join(alice.home, "run", "peer-mesh.sock")));
    expect(await started.stop()).toBe(0);
    await leavesNothing(alice.host);
    alice = await MeshPeer.up(alice);
  });

  it("a signal while a join waits for a coordinator that does not answer ends it at once", async () => {
    const host = network.host("bob");
    const script = "require('node:net').createServer(() => {}).listen(8443, () => console.log('up'))";
    const silent = await network.host("carol").start(process.execPath, ["-e", script]);
    await silent.waitForOutput(/up/);
    const { token } = await network.server.createToken();
    const home = `${host.scratchDirectory}/hasty`;
    const joining = await startMesh(host, home, ["join", token, "--server", "192.0.2.4"]);
    await eventually("it is connected", async () =>
      (await host.must("ss", "-Htn", "state", "established", "dport", "8443")).includes("192.0.2.4"),
    );
    expect(await joining.stop("SIGINT", 3000)).toBe(1);
    expect(joining.stderr).toContain("interrupted");
    await silent.kill();
  });

  it("after kill -9 the next start cleans up and goes on", async () => {
    await alice.process.kill();
    alice = await MeshPeer.up(alice);
    expect(await alice.host.must("wg", "show", "interfaces")).toBe("mesh0\n");
    expect((await alice.status()).warnings).toEqual([]);
  });

  it("there is one daemon for a home and network: `join` is refused, `up` finds the running one", async () => {
    const second = await runMesh(alice.host, alice.home, "--json", "join");
    expect(second.status).toBe(6);
    expect(JSON.parse(second.stderr.trim().split("\n").at(-1) ?? "").error.code).toBe("already-running");
    expect(await meshJson(alice.host, alice.home, "up")).toEqual({ network: "mesh", state: "running" });
  });

  it("--detach returns once it runs, and what fails in the background is reported in front", async () => {
    const host = network.host("bob");
    const home = `${host.scratchDirectory}/peer`;
    const bad = await runMesh(host, home, "join", "--json", "--detach", "--server", "192.0.2.1:9");
    expect(bad.status).toBe(1);
    expect(JSON.parse(bad.stderr.trim().split("\n").at(-1) ?? "").error.code).toBe("coordinator-unreachable");

    const { token } = await network.server.createToken();
    const { status, stdout } = await runMesh(host, home, "join", token, "--name", "bob", "--detach");
    expect(status).toBe(0);
    expect(stdout).toMatch(/token accepted: bob has 10\.86\./);
    expect(stdout).toMatch(/^ {2}alice {2}10\.86\.\S+ {2}udp (192\.0\.2\.2|\[2001:db8::2\]):51820/m);
    expect(await meshJson(host, home, "status", "--self")).toMatchObject({ name: "bob" });
    expect(readFileSync(join(home, "networks", "mesh", "daemon.log"), "utf8")).toContain(
      "connected to the coordinator",
    );
    expect((await runMesh(host, home, "down")).status).toBe(0);
    await leavesNothing(host);
    expect((await runMesh(host, home, "up", "--detach")).status).toBe(0);
    expect((await runMesh(host, home, "ping", "alice", "-c", "1")).status).toBe(0);
    expect((await runMesh(host, home, "down")).status).toBe(0);
  });

  it("a bug report has no secret and no public address in it, of a daemon that runs and of one that does not", async () => {
    const [bob, home] = [network.host("bob"), `${network.host("bob").scratchDirectory}/peer`];
    const keysOf = (of: string): Record<string, string> =>
      JSON.parse(readFileSync(join(of, "networks/mesh/keys.json"), "utf8"));
    const token = "mesh1_bm90aGluZyB0aGF0IG9wZW5zIGFueXRoaW5n";
    appendFileSync(join(home, "networks/mesh/daemon.log"), `${token} ${keysOf(home).wireguardPrivateKey}\n`);
    const logs = await runMesh(bob, home, "logs", "-n", "2");
    expect(logs).toMatchObject({
      status: 3,
      stdout: expect.stringMatching(/^\S+Z .*\nmesh1_\[hidden\] \[hidden\]\n$/),
    });
    expect(logs.stderr).toContain("no daemon is running for the network mesh: these are the last lines of");
    const report = async (host: LabHost, of: string, ...flags: string[]) => {
      const file = join(host.scratchDirectory, `report${flags.length}.json`);
      const said = await meshJson(host, of, "bugreport", "-o", file, ...flags);
      const text = readFileSync(file, "utf8");
      expect(said).toMatchObject({ file, sizeBytes: text.length });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const { machinePrivateKey, wireguardPrivateKey } = keysOf(of);
      for (const secret of [machinePrivateKey, wireguardPrivateKey, token]) expect(text).not.toContain(secret);
      return { text, sections: JSON.parse(text) };
    };
    const running = await report(alice.host, alice.home);
    expect(running.sections).toMatchObject({
      noDaemon: null,
      status: { state: "running", dataPlane: { offloads: expect.any(Object) } },
      netcheck: { udp: true, publicEndpoint: expect.stringMatching(/^public4-\d+:51820$/) },
      settings: expect.arrayContaining([{ key: "interface", value: "mesh0", source: "default", change: "rebuild" }]),
      hostChanges: expect.arrayContaining([expect.objectContaining({ owner: "interface", kind: "address" })]),
      dns: { enabled: true },
      metrics: expect.arrayContaining(["mesh_coordinator_connected 1"]),
      log: expect.arrayContaining([expect.stringContaining("connected to the coordinator")]),
    });
    expect(running.text).not.toMatch(/192\.0\.2\.|2001:db8:/);
    const again = await runMesh(
      alice.host,
      alice.home,
      "bugreport",
      "-o",
      `${alice.host.scratchDirectory}/report0.json`,
    );
    expect([again.status, again.stderr]).toEqual([6, expect.stringContaining("is there already")]);

    const { text, sections } = await report(bob, home, "--addresses");
    expect(sections).toMatchObject({
      noDaemon: "no daemon is running for the network mesh",
      status: { state: "stopped" },
    });
    expect(sections.log.at(-1)).toBe("mesh1_[hidden] [hidden]");
    expect(text).toContain("192.0.2.3/24");
  });

  it("a service runs with the capabilities and system calls of its unit, and its watchdog is told while both threads move", async () => {
    expect(await alice.stop()).toBe(0);
    const socketPath = `${alice.host.scratchDirectory}/watchdog`;
    using notify = new NotifySocket(socketPath);
    const env = { NOTIFY_SOCKET: socketPath, WATCHDOG_USEC: "1000000" };
    const config = `${alice.host.scratchDirectory}/peer.yaml`;
    writeFileSync(config, "mtu: 1420\n");
    const service = await startMesh(alice.host, alice.home, ["up", "--config", config], env, asUnit("mesh.service"));
    const told: string[] = [];
    const hears = (message: string) =>
      eventually(message, () => {
        told.push(...notify.take());
        return told.includes(message);
      });
    await hears("READY=1");
    await hears("WATCHDOG=1");
    const { listeners } = dnsStatusSchema.parse(await meshJson(alice.host, alice.home, "dns", "status"));
    expect(listeners.map(({ port, problem }) => [port, problem])).toEqual(listeners.map(() => [53, null]));
    expect(readFileSync(`/proc/${service.pid}/status`, "utf8")).toMatch(/^NoNewPrivs:\t1\nSeccomp:\t2$/m);
    {
      await using _ = await holdDataThread(service.pid);
      await service.waitForOutput(/the data thread does not move/);
      notify.take();
      told.length = 0;
      await service.waitForOutput(/(the data thread does not move[\s\S]*){3}/);
      expect(notify.take()).toEqual([]);
    }
    await hears("WATCHDOG=1");
    await rereads(service, config, notify);
    expect(await service.stop()).toBe(0);
    await hears("STOPPING=1");
    await leavesNothing(alice.host);
    alice = await MeshPeer.up(alice);
  });

  /** SIGHUP is `mesh up` with the file as it is by then; all of it, or nothing. */
  async function rereads(service: LabProcess, config: string, notify: NotifySocket): Promise<void> {
    const mtu = async () => /mtu (\d+)/.exec(await alice.host.must("ip", "-o", "link", "show", "mesh0"))?.[1];
    const reload = async (text: string, outcome: RegExp) => {
      writeFileSync(config, text);
      notify.take();
      service.signal("SIGHUP");
      await service.waitForOutput(outcome);
      const told = notify.take().filter((message) => message !== "WATCHDOG=1");
      expect(told[0]).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    };
    await reload("mtu: 1300\nlog_format: json\n", /with the next start, not before: log_format/);
    expect(await mtu()).toBe("1300");
    await reload("mtu: 1310\nport: 9\n", /the configuration is not taken up.*peer\.yaml:2: /);
    await alice.mesh("set", "mtu=1320");
    await reload("mtu: 1330\naccept_routes: true\n", /not taken up.* mtu code=settings-conflict/);
    expect(await mtu()).toBe("1320");
    expect(await meshJson(alice.host, alice.home, "get", "accept_routes")).toMatchObject([{ value: false }]);
    await alice.mesh("set", "mtu=");
    await reload("mtu: 1420\n", /the configuration is read again[\s\S]*the configuration is read again/);
  }

  it("a service stays after `down`, also across a restart, until `up`", async () => {
    expect(await alice.stop()).toBe(0);
    const env = { NOTIFY_SOCKET: `${alice.host.scratchDirectory}/notify` };
    const state = async () => statusSchema.parse(await meshJson(alice.host, alice.home, "status")).state;
    let service = await startMesh(alice.host, alice.home, ["up"], env);
    await eventually("it runs", async () => (await state()) === "running");
    expect(await meshJson(alice.host, alice.home, "down")).toEqual({ network: "mesh", state: "stopped" });
    expect(await state()).toBe("stopped");
    await leavesNothing(alice.host);
    expect(await service.stop()).toBe(0);
    service = await startMesh(alice.host, alice.home, ["up"], env);
    await eventually("it is back", async () => (await state()) === "stopped");
    expect(await meshJson(alice.host, alice.home, "up")).toEqual({ network: "mesh", state: "running" });
    await racesOfAllKinds();
    expect(await service.stop()).toBe(0);
    await leavesNothing(alice.host);
    alice = await MeshPeer.up(alice);
  });

  /** The last of them holds, whatever became of those before; no interface of theirs is left. */
  async function racesOfAllKinds(): Promise<void> {
    const { local } = alice;
    const mtus = [1300, 1310, 1320];
    for (const last of ["up", "down"] as const) {
      const requests = mtus.flatMap((mtu) => [
        local.setSettings({ settings: { mtu, interface: `mesh${mtu}` } }),
        local.up(),
        local.down(),
      ]);
      requests.push(local.up(), local.setSettings({ settings: { mtu: 1250, interface: null } }));
      const early = Promise.allSettled(requests);
      // By now they wait in the daemon, each for its turn.
      await requests[0];
      const latest = Promise.allSettled([last === "up" ? local.up() : local.down()]);
      for (const outcome of [...(await early), ...(await latest)]) {
        if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "overtaken" });
      }
      expect((await local.status()).state).toBe(last === "up" ? "running" : "stopped");
      const links = (await alice.host.must("ip", "-o", "link")).match(/mesh\d+(?=:)/g) ?? [];
      expect(links).toEqual(last === "up" ? ["mesh0"] : []);
    }
    await leavesNothing(alice.host);
    await local.setSettings({ settings: { mtu: null } });
    await local.up();
  }

  it("settings change while it runs: live where they can, else with another tunnel, and all or none", async () => {
    const { host, local } = alice;
    const link = async (name = "mesh0") => (await host.must("ip", "-o", "link", "show", name)).split(/\s/, 6).join(" ");
    const before = await link();
    const live = {
      dns: false,
      filter: { default: "deny" },
      accept_routes: true,
      paths: { bob: { prefer: "relay" } },
      log_levels: { paths: "debug" },
      metrics_listen: "127.0.0.1:9586",
    };
    const { changed, rebuilt } = await local.setSettings({ settings: live });
    expect([changed.sort(), rebuilt]).toEqual([Object.keys(live).sort(), false]);
    expect(await local.dns()).toMatchObject({ enabled: false, listeners: [] });
    expect((await local.filter()).defaults.in).toEqual({ verdict: "deny", from: "configuration" });
    expect((await local.preferences()).peers).toEqual([
      { peer: "bob", preference: { prefer: "relay", exclude: [], from: "configuration" } },
    ]);
    expect(await host.must("curl", "-sS", "http://127.0.0.1:9586/healthz")).toBe('{"status":"ok"}');
    expect(await link()).toBe(before);

    const refused = local.setSettings({ settings: { mtu: 1250, dns: true, exit_node: "nobody" } });
    await expect(refused).rejects.toMatchObject({ code: "not-found" });
    expect([await link(), (await local.dns()).enabled]).toEqual([before, false]);
    const taken = await host.start("nc", ["-u", "-l", "-p", "5555"]);
    await eventually("the port is taken", async () => (await host.must("ss", "-Hunl")).includes(":5555"));
    const other = { mtu: 1300, interface: "mesh7", listen_port: 5555, dns: true };
    await expect(local.setSettings({ settings: other })).rejects.toMatchObject({ code: "port-in-use" });
    await taken.kill();
    expect(await link()).toBe(before);
    expect(await local.setSettings({ settings: other })).toMatchObject({ rebuilt: true });
    expect(await host.must("ip", "-o", "link")).not.toContain("mesh0");
    expect(await link("mesh7")).toContain("mtu 1300");
    expect((await local.dns()).enabled).toBe(true);
    expect(await local.status()).toMatchObject({ interface: "mesh7", self: { listenPort: 5555 }, warnings: [] });

    // What a command has set is not dropped without a word.
    const silent = await runMesh(host, alice.home, "--json", "up", "--mtu", "1400");
    expect([silent.status, JSON.parse(silent.stderr).error.code]).toEqual([6, "settings-conflict"]);
    expect(await link("mesh7")).toContain("mtu 1300");
    await alice.mesh("up", "--mtu", "1400", "--reset");
    expect(await link()).toContain("mtu 1400");

    // Without a daemon, on disk.
    expect(await alice.stop()).toBe(0);
    expect(await alice.mesh("set", "mtu=", "dns=false")).toBe("mtu is 1420\ndns is false\n");
    expect(await meshJson(host, alice.home, "get", "dns", "mtu")).toEqual([
      { key: "mtu", value: 1420, source: "command", change: "rebuild" },
      { key: "dns", value: false, source: "command", change: "live" },
    ]);
    const unknown = await runMesh(host, alice.home, "--json", "set", "mtu=1300", "colour=red");
    expect([unknown.status, JSON.parse(unknown.stderr).error.code]).toEqual([2, "setting-unknown"]);
    alice = await MeshPeer.up(alice, ["--reset", "--mtu", "1420"]);
    expect(await link()).toContain("mtu 1420");
    expect((await local.dns()).enabled).toBe(true);
  });

  it("status --watch prints a line at every change", async () => {
    const watch = await startMesh(alice.host, alice.home, ["status", "--watch", "--json"]);
    await watch.waitForOutput(/"schemaVersion":1/);
    const bob = await MeshPeer.up({ host: network.host("bob"), home: `${network.host("bob").scratchDirectory}/peer` });
    await watch.waitForOutput(/"name":"bob"[^\n]*"path":\{"transport":"udp"/);
    expect(await watch.stop("SIGINT")).toBe(0);
    for (const line of watch.stdout.trim().split("\n")) statusSchema.parse(JSON.parse(line));
    expect(await bob.stop()).toBe(0);
  });

  it("another user of the host looks, and changes nothing; a member of the group uses the network", async () => {
    // Other users get into no host's scratch directory.
    const home = mkdtempSync("/tmp/mesh-shared-");
    chmodSync(home, 0o755);
    const shared = await network.join("bob", { home, name: "shared", args: ["--local-group", "daemon"] });
    const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    const member = ["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "daemon"];
    const as = (who: readonly string[], ...command: string[]) => shared.host.run("env", ...who, ...command);
    const mesh = [process.execPath, "dist/bundle/main.js", "--home", home, "--json"];
    const statuses = async (who: readonly string[], ...routes: string[]) => {
      const calls = routes.map((route) => {
        const [method = "", path = ""] = route.split(" ");
        return `-s -o /dev/null -w %{http_code}\\n --unix-socket ${home}/run/peer-mesh.sock -X ${method} -d [] http://mesh${path}`;
      });
      const { stdout } = await as(who, "curl", ...calls.join(" --next ").split(" "));
      return stdout.trim().split("\n").map(Number);
    };

    const { status, stdout } = await as(nobody, ...mesh, "status");
    expect({ status, state: statusSchema.parse(JSON.parse(stdout)).state }).toEqual({ status: 0, state: "running" });
    const listed = JSON.parse((await as(nobody, ...mesh, "context", "list")).stdout);
    expect(listed).toMatchObject([{ name: "mesh", current: true, state: "running", interface: "mesh0" }]);
    const down = await as(nobody, ...mesh, "down");
    expect({ status: down.status, code: JSON.parse(down.stderr).error.code }).toEqual({
      status: 4,
      code: "not-permitted",
    });
    const closed = Object.keys(ROUTES).filter((route) => ROUTES[route]?.access !== "everybody");
    expect(new Set(await statuses(nobody, ...closed, "GET /v1/admin/tokens", "DELETE /v1/admin/peers/alice"))).toEqual(
      new Set([403]),
    );
    expect((await as(nobody, "find", home, "-type", "f", "-readable")).stdout).toBe("");
    expect(
      await statuses(member, "GET /v1/filter", "POST /v1/filter/add", "POST /v1/leave", "GET /v1/admin/tokens"),
    ).toEqual([200, 400, 403, 403]);
    expect((await as(member, ...mesh, "ping", "alice", "-c", "1")).status).toBe(0);

    const connections = async () => (await shared.host.must("ss", "-Hx")).split("/run/peer-mesh.sock").length - 1;
    const [program = "", ...args] = [...nobody, process.execPath, "test/support/lab/hold-connections.mjs"];
    const holder = await shared.host.start(program, [...args, `${home}/run/peer-mesh.sock`, "1000"]);
    await holder.waitForOutput(/refused/);
    for (let round = 0; round < 50; round++) expect((await shared.local.status()).state).toBe("running");
    expect(await connections()).toBeLessThan(80);
    expect(residentMegabytes(shared.process.pid)).toBeLessThan(160);
    holder.closeInput();
    await holder.exited;

    const socketPath = `${home}/run/peer-mesh.sock`;
    const tally = await fuzzLocalApi({ socketPath, routes: Object.keys(ROUTES), requests: 200, parallel: 8, seed: 6 });
    expect(tally).toMatchObject({
      ok: expect.any(Number),
      "bad-request": expect.any(Number),
      "not-found": expect.any(Number),
    });
    expect((await shared.local.status()).state).toBe("running");
    await eventually("it has let go of all", async () => (await connections()) === 0);
    expect(await shared.stop()).toBe(0);
    rmSync(home, { recursive: true });
  });

  it("a host without IPv6 has the mesh in IPv4, and says so", async () => {
    const host = network.host("carol");
    await host.sysctl("net.ipv6.conf.all.disable_ipv6", 1);
    await host.sysctl("net.ipv6.conf.default.disable_ipv6", 1);
    const carol = await network.join("carol", {
      args: ["--interface", "wg-carol", "--listen-port", "0", "--mtu", "1300"],
    });
    const status = await carol.status();
    expect(status.warnings).toEqual([expect.stringContaining("no IPv6 in the mesh here")]);
    expect(status).toMatchObject({ interface: "wg-carol", self: { name: "carol" } });
    expect(status.dataPlane).toMatchObject({ ipv4: true, ipv6: false });
    expect((await runMesh(host, carol.home, "status")).stdout).toMatch(/^underlay +IPv4, no IPv6$/m);
    expect(status.self?.listenPort).toBeGreaterThan(0);
    expect(await carol.host.must("ip", "-o", "link", "show", "wg-carol")).toContain("mtu 1300");
    const reached = await carol.reaches("alice");
    expect(await carol.host.pings(reached.ip4)).toBe(true);

    // The settings of the join are those of later starts.
    expect(await carol.stop()).toBe(0);
    const again = await MeshPeer.up(carol);
    expect((await again.status()).interface).toBe("wg-carol");
    expect(await again.stop()).toBe(0);
  });

  it("a UAPI name that another process serves is a warning, not a failure", async () => {
    expect(await alice.stop()).toBe(0);
    const script =
      "require('node:net').createServer().listen('/var/run/wireguard/mesh0.sock', () => console.log('bound'))";
    const holder = await alice.host.start(process.execPath, ["-e", script]);
    await holder.waitForOutput(/bound/);
    alice = await MeshPeer.up(alice);
    expect((await alice.status()).warnings).toEqual([expect.stringContaining("is served by another process")]);
    await holder.kill();
    expect(await alice.stop()).toBe(0);
    alice = await MeshPeer.up(alice);
    expect((await alice.status()).warnings).toEqual([]);
  });

  it("idles with two peers below 1 % of a core and 120 MB", async () => {
    const peers = [
      await MeshPeer.up({ host: network.host("bob"), home: `${network.host("bob").scratchDirectory}/peer` }),
      await MeshPeer.up({ host: network.host("carol"), home: `${network.host("carol").scratchDirectory}/peer` }),
    ];
    await alice.reaches("bob");
    await alice.reaches("carol");
    const { pid } = alice.process;
    // What else runs on the machine makes it dearer, with cold caches, and never cheaper: the best window counts.
    let share = Number.POSITIVE_INFINITY;
    for (let window = 0; window < IDLE_WINDOWS && share >= 0.01; window++)
      share = Math.min(share, await processorShare(pid, IDLE_SECONDS * 1000));
    expect(share).toBeLessThan(0.01);
    expect(residentMegabytes(pid)).toBeLessThan(120);
    for (const peer of peers) expect(await peer.stop()).toBe(0);
  });
});

/** A thread that a tracer has caught does not go on before the tracer does, which is stopped. */
async function holdDataThread(pid: number): Promise<AsyncDisposable> {
  const threads = readdirSync(`/proc/${pid}/task`);
  const inPoll = threads.filter((tid) =>
    POLL_NUMBERS.has(readFileSync(`/proc/${pid}/task/${tid}/syscall`, "latin1").split(" ")[0] ?? ""),
  );
  expect(inPoll).toHaveLength(1);
  const tracer = spawn("strace", ["-p", inPoll[0]!], { stdio: ["ignore", "ignore", "pipe"] });
  const gone = once(tracer, "exit");
  await once(tracer.stderr, "data");
  tracer.kill("SIGSTOP");
  return {
    async [Symbol.asyncDispose]() {
      tracer.kill("SIGTERM");
      tracer.kill("SIGCONT");
      await gone;
    },
  };
}

/** The share of one processor that the process takes over `windowMs`. */
async function processorShare(pid: number, windowMs: number): Promise<number> {
  const before = { ticks: cpuTicks(pid), atMs: performance.now() };
  const elapsedMs = await eventually(
    "the measuring time is over",
    () => (performance.now() - before.atMs > windowMs ? performance.now() - before.atMs : undefined),
    { timeoutMs: 2 * windowMs, intervalMs: 500 },
  );
  return (cpuTicks(pid) - before.ticks) / CLOCK_TICKS_PER_SECOND / (elapsedMs / 1000);
}

/** User and system time of a process, proc(5) /proc/PID/stat fields 14 and 15. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function residentMegabytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return (Number(kibibytes) * 1024) / 1e6;
}
