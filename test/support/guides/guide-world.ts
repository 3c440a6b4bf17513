import { symlinkSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unpackedPackage } from "../../../scripts/lib/unpacked-packages.mjs";
import { eventually } from "../lab/eventually.ts";
import { Lab } from "../lab/lab.ts";
import type { LabHost } from "../lab/lab-host.ts";
import { makeRouter } from "../lab/lab-router.ts";
import { startTinyproxy } from "../lab/tinyproxy.ts";
import { GuideMachines, type Stage } from "./guide-machines.ts";

const whoAsks = fileURLToPath(new URL("../lab/who-asks.mjs", import.meta.url));
const portService = fileURLToPath(new URL("../lab/port-service.mjs", import.meta.url));

const WEB = "203.0.113.80";
const NAMES = {
  "coordinator.example.com": "192.0.2.1",
  "alice.example.com": "192.0.2.2",
  "bob.example.com": "192.0.2.3",
  "relay.example.com": "192.0.2.5",
  "mesh.example.com": "192.0.2.5",
  "www.example.com": WEB,
};

type Name = "server" | "alice" | "bob" | "db" | "gate" | "office" | "carol";

/**
 * Where the guides take place, with nothing of ours on any machine:
 *
 *     server .1 ─┐
 *     alice  .2 ─┤
 *     bob    .3 ─┤ 192.0.2.0/24 ┬─ office .6, a router with NAT ── carol 192.168.1.2
 *     db     .4 ─┤              └─ internet .254: www.example.com, 203.0.113.80
 *     gate   .5 ─┘
 *
 * The web server tells who asks by which address.
 */
export class GuideWorld implements AsyncDisposable {
  readonly lab: Lab;
  readonly machines: GuideMachines;
  readonly hosts: Readonly<Record<Name, LabHost>>;

  private constructor(lab: Lab, hosts: GuideWorld["hosts"]) {
    this.lab = lab;
    this.hosts = hosts;
    this.machines = new GuideMachines(hosts, NAMES);
    symlinkSync(join(unpackedPackage("caddy"), "usr/bin/caddy"), join(hosts.gate.scratchDirectory, "bin/caddy"));
  }

  static async open(): Promise<GuideWorld> {
    const lab = await Lab.open();
    try {
      return new GuideWorld(lab, await buildWorld(lab));
    } catch (failure) {
      await lab[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** What happens in the guides that no command on a page does. */
  readonly stage: Stage = {
    "Ctrl-C at server": () => this.machines.interrupt("server"),
    "Ctrl-C at db": () => this.machines.interrupt("db"),
    "Ctrl-C at gate": () => this.machines.interrupt("gate"),
    "server's disk is lost": () => rm(`${this.hosts.server.scratchDirectory}/mesh`, { recursive: true }),
    "bob's daemon is killed": () => this.#killDaemon(this.hosts.bob),
    "bob answers over HTTP on ports 22, 443 and 3306": () => this.#answer(this.hosts.bob, 22, 443, 3306),
    "the office lets no UDP out": () => this.#officeDrops("meta l4proto udp"),
    "the office lets out TCP to port 443 only": () => this.#officeDrops("tcp dport != 443", "meta l4proto != tcp"),
    "the office has no way out but an HTTP proxy": async () => {
      await this.#officeDrops("meta l4proto { tcp, udp }");
      await startTinyproxy(this.hosts.office, "192.168.1.1");
    },
    "the office lets everything out again": () => this.#officeDrops(),
  };

  async #answer(host: LabHost, ...ports: number[]): Promise<void> {
    const service = await host.start(process.execPath, [portService, ...ports.map(String)]);
    await service.waitForOutput(/listening/);
  }

  async #killDaemon(host: LabHost): Promise<void> {
    const lock = `${host.scratchDirectory}/mesh/networks/mesh/lock`;
    process.kill(Number(await readFile(lock, "utf8")), "SIGKILL");
    await eventually("the daemon is gone", async () => (await host.ip("-o", "link")).includes("mesh0") === false);
  }

  /** What comes from inside and matches is dropped, and nothing else is from now on. */
  async #officeDrops(...matches: string[]): Promise<void> {
    const rules = matches.map((match) => `iifname "in0" ${match} drop;`).join(" ");
    const table = `table inet strict { chain forward { type filter hook forward priority -10; ${rules} }; }`;
    await this.hosts.office.must("nft", `add table inet strict; delete table inet strict; ${table}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lab[Symbol.asyncDispose]();
  }
}

async function buildWorld(lab: Lab): Promise<GuideWorld["hosts"]> {
  const segment = await lab.segment("segment");
  const attached = async (name: string, number: number): Promise<LabHost> => {
    const host = await lab.host(name);
    await segment.attach(host, "eth0", [`192.0.2.${number}/24`]);
    if (number < 254) await host.ip("route", "add", "default", "via", "192.0.2.254");
    return host;
  };
  const names = ["server", "alice", "bob", "db", "gate", "office"] as const;
  const [server, alice, bob, db, gate, office] = await Promise.all(names.map((name, i) => attached(name, i + 1)));
  const internet = await attached("internet", 254);
  await internet.ip("address", "add", `${WEB}/32`, "dev", "lo");
  const web = await internet.start(process.execPath, [whoAsks]);
  await web.waitForOutput(/listening/);
  const carol = await lab.host("carol");
  await lab.connect(
    { host: carol, device: "eth0", addresses: ["192.168.1.2/24"] },
    { host: office!, device: "in0", addresses: ["192.168.1.1/24"] },
  );
  await carol.ip("route", "add", "default", "via", "192.168.1.1");
  await makeRouter(office!, { nat: "port-restricted", outside: "eth0", inside: "in0" });
  return { server: server!, alice: alice!, bob: bob!, db: db!, gate: gate!, office: office!, carol };
}
