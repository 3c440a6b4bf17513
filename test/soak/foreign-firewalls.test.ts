import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { restartDockerRules, startDockerRules } from "../support/lab/docker-rules.ts";
import { eventually } from "../support/lab/eventually.ts";
import { internetBehind, ROUTER_OUTSIDE, reaches, seenAt, WEB } from "../support/lab/exit-side.ts";
import { Firewalld } from "../support/lab/firewalld.ts";
import { IPTABLES, iptablesOf } from "../support/lab/installed-packages.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { meshJson } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { enableUfw, installUfw } from "../support/lab/ufw.ts";

// alice ── segment ── bob ── eth1, the internet: web 198.51.100.7, 2001:db8:100::7
//
// bob's host has other firewalls, one after the other: the real programs, with files of Debian's packages.

const FAMILIES = [4, 6] as const;
const BACKENDS = ["nft", "legacy"] as const;
const TAG = "mesh-exit-mesh0";

let net: SmallNetwork;
let host: LabHost;
let alice: MeshPeer;
let bob: MeshPeer;

beforeAll(async () => {
  net = await SmallNetwork.open("alice", "bob");
  host = net.host("bob");
  await internetBehind(net, host);
  alice = await net.join("alice");
  bob = await net.join("bob", { args: ["--allow-exit-traffic"] });
  await eventually("alice knows", async () => (await alice.local.exits()).exits[0]?.families.length === 2);
  await alice.mesh("exit", "use", "bob");
  await works();
  await bob.mesh("down");
});
afterAll(() => net[Symbol.asyncDispose]());

afterEach(async () => {
  if (bob.process.isRunning) await bob.mesh("down");
  host.install({ packages: IPTABLES });
  const legacy = ["iptables-legacy", "ip6tables-legacy"].flatMap((program) =>
    ["filter", "nat", "mangle", "raw"].flatMap((table) => [`${program} -t ${table} -F`, `${program} -t ${table} -X`]),
  );
  const open = ["iptables-legacy", "ip6tables-legacy"].flatMap((program) =>
    ["INPUT", "FORWARD", "OUTPUT"].map((chain) => `${program} -P ${chain} ACCEPT`),
  );
  await host.must("sh", "-ec", ["nft flush ruleset", ...legacy, ...open].join("\n"));
  host.install({});
});

async function works(): Promise<void> {
  for (const family of FAMILIES) await reaches(alice.host, WEB[family], ROUTER_OUTSIDE[family]);
}

async function up(): Promise<void> {
  bob = await MeshPeer.up(bob);
}

const warnings = async () => (await bob.status()).warnings.join("\n");

/** Rules and policies of iptables and nftables, without what counts. Tables of iptables without either are not told of. */
async function firewall(backend: "nft" | "legacy", hasNft = true): Promise<string> {
  const saves = ["iptables", "ip6tables"].map((program) => `${program}-${backend}-save`);
  const text = await host.must("sh", "-ec", [...saves, ...(hasNft ? ["nft -s list ruleset"] : [])].join("\n"));
  return text.replace(/^#.*\n/gm, "").replace(/ \[\d+:\d+\]$/gm, "");
}

/** The exit works, and comes and goes without a trace: by `down`, and by a kill and `mesh undo`. */
async function comesAndGoes(state: () => Promise<string>, check: () => Promise<void>): Promise<void> {
  const before = await state();
  for (const end of ["down", "kill"] as const) {
    await up();
    await works();
    await check();
    expect(await warnings()).not.toContain("firewall");
    if (end === "down") await bob.mesh("down");
    else {
      await bob.process.kill();
      expect(await state()).not.toBe(before);
      await meshJson(host, bob.home, "undo");
    }
    expect(await state()).toBe(before);
  }
}

describe.each(BACKENDS)("with iptables-%s", (backend) => {
  const install = (without: string[] = []) =>
    host.install({ packages: IPTABLES, alternatives: iptablesOf(backend), without });

  it("a host without nft is an exit by rules of iptables", async () => {
    install(["nft"]);
    // Tables that nobody used are made by the first look.
    await host.must("sh", "-ec", "for t in filter nat; do iptables -t $t -N own; ip6tables -t $t -N own; done");
    await comesAndGoes(
      () => firewall(backend, false),
      async () => {
        expect(await host.must("iptables-save")).toContain(`${TAG}-0`);
        expect((await host.run("nft", "list", "ruleset")).status).not.toBe(0);
      },
    );
    await up();
    await works();
    await host.must("sh", "-ec", "iptables -F FORWARD; iptables -P FORWARD DROP; ip6tables -t nat -F POSTROUTING");
    await eventually("the rules are back", async () => (await host.must("iptables-save")).includes(`${TAG}-0`), {
      timeoutMs: 40_000,
    });
    await works();
  });

  it("Docker's rules let it pass while it is on", async () => {
    install();
    await startDockerRules(host);
    await comesAndGoes(
      () => firewall(backend),
      async () => {
        for (const program of ["iptables", "ip6tables"]) {
          expect(await host.must(program, "-S", "DOCKER-USER")).toContain(`--comment ${TAG} -j ACCEPT`);
        }
      },
    );
    await up();
    await restartDockerRules(host);
    await works();
  });

  it("ufw lets it pass while it is on, and after a reload", async () => {
    await installUfw(host, backend);
    await enableUfw(host);
    await comesAndGoes(
      () => firewall(backend),
      async () => {
        expect(await host.must("iptables", "-S", "ufw-user-forward")).toContain(TAG);
        expect(await host.must("ip6tables", "-S", "ufw6-user-forward")).toContain(TAG);
      },
    );
    await up();
    await works();
    await host.must("ufw", "reload");
    await eventually(
      "the rule is back",
      async () => (await host.must("iptables", "-S", "ufw-user-forward")).includes(TAG),
      { timeoutMs: 40_000 },
    );
    await works();
    await bob.mesh("down");
    expect(await firewall(backend)).not.toContain("mesh");
    await host.must("ufw", "disable");
  });

  it("ufw that comes up while it is on is noticed", async () => {
    await installUfw(host, backend);
    await up();
    await works();
    await enableUfw(host);
    await eventually(
      "the rule is there",
      async () => (await host.must("ip6tables", "-S", "ufw6-user-forward")).includes(TAG),
      { timeoutMs: 40_000 },
    );
    await works();
    await host.must("ufw", "disable");
  });
});

describe("firewalld", () => {
  it("is named with what to do, and that makes it work", async () => {
    const firewalld = await Firewalld.start(host);
    const before = await host.must("nft", "-s", "list", "ruleset");
    await up();
    await expect.poll(warnings, { timeout: 10_000 }).toContain("table inet firewalld");
    const [advice] = /firewall-cmd --permanent[^,\n]*/.exec(await warnings()) ?? [];
    expect(advice).toBe("firewall-cmd --permanent --zone=trusted --add-interface=mesh0");
    expect(await seenAt(alice.host, WEB[4])).toBeUndefined();
    await firewalld.cmd("--permanent", "--zone=trusted", "--add-interface=mesh0");
    await firewalld.cmd("--reload");
    await works();
    await expect.poll(warnings, { timeout: 20_000 }).not.toContain("firewall");
    await bob.mesh("down");
    await firewalld.cmd("--permanent", "--zone=trusted", "--remove-interface=mesh0");
    await firewalld.cmd("--reload");
    expect(await host.must("nft", "-s", "list", "ruleset")).toBe(before);
    await firewalld.stop();
  });
});

describe("rules of ours that somebody flushes", () => {
  it("come back: the exit's, and the guard of who uses one", async () => {
    await up();
    await works();
    await host.must("nft", "flush", "ruleset");
    await eventually("the exit's table is back", async () =>
      (await host.must("nft", "list", "ruleset")).includes("table inet mesh-exit-mesh0"),
    );
    await works();
    const guard = () => alice.host.must("nft", "-s", "list", "ruleset");
    const whole = await guard();
    await alice.host.must("nft", "flush", "ruleset");
    await eventually("the guard is back", async () => (await guard()) === whole, { timeoutMs: 5000 });
    await alice.host.must("nft", "flush", "chain", "inet", "mesh-guard", "leaving");
    await eventually("its chain is back", async () => (await guard()) === whole, { timeoutMs: 5000 });
  });
});
