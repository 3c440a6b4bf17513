import { fileURLToPath } from "node:url";
import { asUnit } from "./as-unit.ts";
import { eventually } from "./eventually.ts";
import { Lab } from "./lab.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";
import { meshJson } from "./mesh-command.ts";
import { MeshPeer } from "./mesh-peer.ts";
import { MeshServer } from "./mesh-server.ts";

const whoAsks = fileURLToPath(new URL("./who-asks.mjs", import.meta.url));
const leakLoad = fileURLToPath(new URL("./leak-load.mjs", import.meta.url));

export const WEB = { ipv4: "203.0.113.80", ipv6: "2001:db8:80::80" } as const;
const SERVER_URL = "https://203.0.113.8:8443";
/** The router, as the network of its customers knows it. */
const ROUTER = { ipv4: "192.168.7.1", ipv6: "2001:db8:7::1" } as const;

/**
 * A host behind a router, and an internet on the other side with exits, a coordinator and a web server (a name server as
 * well) that tells the caller's address.
 *
 *     alice eth0 192.168.7.2, 2001:db8:7::2 ── router ──┬── web 203.0.113.80, 2001:db8:80::80
 *                                                       ├── server .8
 *                                                       └── exits .11, .12 …
 *
 * What comes to the router from alice for the web server, or for any name server, has gone around the tunnel.
 */
export class ExitNetwork implements AsyncDisposable {
  readonly lab: Lab;
  readonly alice: LabHost;
  readonly router: LabHost;
  readonly web: LabHost;
  readonly server: MeshServer;
  readonly exits: Map<string, MeshPeer>;
  #isAway = false;
  #load: LabProcess | undefined;

  private constructor(parts: Pick<ExitNetwork, "lab" | "alice" | "router" | "web" | "server" | "exits">) {
    this.lab = parts.lab;
    this.alice = parts.alice;
    this.router = parts.router;
    this.web = parts.web;
    this.server = parts.server;
    this.exits = parts.exits;
  }

  /** @param exits their names */
  static async open(...exits: string[]): Promise<ExitNetwork> {
    const lab = await Lab.open();
    try {
      return await ExitNetwork.#build(lab, exits);
    } catch (failure) {
      await lab[Symbol.asyncDispose]();
      throw failure;
    }
  }

  static async #build(lab: Lab, names: readonly string[]): Promise<ExitNetwork> {
    const [alice, router, web, serverHost] = [
      await lab.host("alice"),
      await lab.host("router"),
      await lab.host("web"),
      await lab.host("server"),
    ];
    await lab.connect(
      { host: alice, device: "eth0", addresses: ["192.168.7.2/24", "2001:db8:7::2/64"] },
      { host: router, device: "in0", addresses: [`${ROUTER.ipv4}/24`, `${ROUTER.ipv6}/64`] },
    );
    await routesBy(alice, ROUTER);
    const internet = await lab.segment("internet");
    const attach = async (host: LabHost, device: string, number: number) => {
      await internet.attach(host, device, [`203.0.113.${number}/24`, `2001:db8:80::${number}/64`]);
      if (host !== router) await routesBy(host, { ipv4: "203.0.113.1", ipv6: "2001:db8:80::1" });
    };
    await attach(router, "out0", 1);
    await attach(web, "eth0", 80);
    await attach(serverHost, "eth0", 8);
    await forwards(router);
    await watchEdge(router);
    for (const host of [web, router, alice]) {
      // Alice's names are the daemon's.
      const service = await host.start(process.execPath, [whoAsks, ...(host === alice ? ["http"] : [])]);
      await eventually("the web server listens", () => service.stdout.includes("listening"));
    }
    const server = await MeshServer.start(serverHost, { publicUrl: SERVER_URL });
    const exits = new Map<string, MeshPeer>();
    for (const [index, name] of names.entries()) {
      const host = await lab.host(name);
      await attach(host, "eth0", 11 + index);
      const args = ["--allow-exit-traffic"];
      const { token } = await server.createToken();
      exits.set(name, await MeshPeer.join(host, { server: server.url, token, args, wrapper: asUnit("mesh.service") }));
    }
    return new ExitNetwork({ lab, alice, router, web, server, exits });
  }

  exit(name: string): MeshPeer {
    const found = this.exits.get(name);
    if (found === undefined) throw new Error(`there is no exit ${name} here`);
    return found;
  }

  /** The exit of this name has been started again. */
  replace(name: string, peer: MeshPeer): void {
    this.exits.set(name, peer);
  }

  async join(...args: string[]): Promise<MeshPeer> {
    const { token } = await this.server.createToken();
    return MeshPeer.join(this.alice, { server: this.server.url, token, args, wrapper: asUnit("mesh.service") });
  }

  /** Programs on alice's host that try everything all the time. */
  async startLoad(): Promise<void> {
    this.#load = await this.alice.start(process.execPath, [leakLoad, ...Object.values(WEB), ...Object.values(ROUTER)]);
  }

  /** Waits until the load has tried everything a few times over, and been patient with it. */
  async tried(): Promise<void> {
    const turn = () => Number(/turn (\d+)\n[^\n]*$/.exec(this.#load?.stdout ?? "")?.[1] ?? 0);
    const wanted = turn() + 25;
    await eventually("the load has tried everything", () => turn() >= wanted, { timeoutMs: 20_000, intervalMs: 50 });
  }

  /** Alice's host loses its network, and gets addresses and gateway of another; the next time those that it had. */
  async roam(): Promise<void> {
    const number = this.#isAway ? 2 : 3;
    this.#isAway = !this.#isAway;
    await this.alice.ip("address", "flush", "dev", "eth0", "scope", "global");
    await this.alice.ip("link", "set", "eth0", "down");
    await this.alice.ip("link", "set", "eth0", "up");
    await this.alice.ip("address", "add", `192.168.7.${number}/24`, "dev", "eth0");
    await this.alice.ip("address", "add", `2001:db8:7::${number}/64`, "dev", "eth0");
    await routesBy(this.alice, ROUTER);
  }

  /** The address that the web server sees of alice's host; undefined where it is not reached. */
  async seenBy(family: "ipv4" | "ipv6"): Promise<string | undefined> {
    const host = family === "ipv4" ? WEB.ipv4 : `[${WEB.ipv6}]`;
    const { status, stdout } = await this.alice.run("curl", "-s", "--max-time", "2", `http://${host}/`);
    return status === 0 ? stdout : undefined;
  }

  /** Whom a name server of the internet saw ask, and how, when a program on alice's host looked up `name`: `udp ADDRESS`. */
  async askedBy(name: string, ...how: string[]): Promise<string> {
    const { stdout } = await this.alice.run("dig", "+short", "+tries=1", "+time=6", "TXT", name, ...how);
    return stdout.trim().replaceAll('"', "");
  }

  /** Waits until the web server sees this exit, in both families. */
  async leavesBy(exit: string): Promise<void> {
    const number = 11 + [...this.exits.keys()].indexOf(exit);
    for (const [family, address] of [
      ["ipv4", `203.0.113.${number}`],
      ["ipv6", `2001:db8:80::${number}`],
    ] as const) {
      await eventually(`${family} leaves by ${exit}`, async () => (await this.seenBy(family)) === address, {
        timeoutMs: 30_000,
        intervalMs: 100,
      });
    }
  }

  /** What an admin says on the server's host: `mesh …`. */
  async admin(...words: string[]): Promise<void> {
    await meshJson(this.server.host, this.server.home, ...words);
  }

  /** Packets that went around the tunnel, by kind, since this was asked for last. */
  async leaked(): Promise<Readonly<Record<string, number>>> {
    const listed = await this.router.must("nft", "reset", "counters", "table", "inet", "edge");
    const found = listed.matchAll(/counter (\w+) \{\s*packets (\d+)/g);
    return Object.fromEntries([...found].map(([, kind, packets]) => [kind, Number(packets)]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lab[Symbol.asyncDispose]();
  }
}

/** As a host's administrator who writes resolv.conf by hand. */
export async function setNameServer(host: LabHost, server: string): Promise<void> {
  await host.must("sh", "-c", `echo nameserver ${server} > /etc/resolv.conf`);
}

/** What `ExitNetwork.leaked` says where nothing did. */
export const NOTHING = { web4: 0, web6: 0, dns: 0 } as const;

async function routesBy(host: LabHost, gateways: { readonly ipv4: string; readonly ipv6: string }): Promise<void> {
  await host.ip("route", "add", "default", "via", gateways.ipv4);
  await host.ip("-6", "route", "add", "default", "via", gateways.ipv6);
}

async function forwards(host: LabHost): Promise<void> {
  await host.sysctl("net.ipv4.ip_forward", 1);
  await host.sysctl("net.ipv6.conf.all.forwarding", 1);
}

/** Before anything else of the router looks at it. */
function watchEdge(router: LabHost): Promise<string> {
  return router.must(
    "nft",
    `table inet edge {
      counter web4 { }
      counter web6 { }
      counter dns { }
      chain from_alice {
        type filter hook prerouting priority raw;
        iifname != "in0" return
        meta l4proto { tcp, udp } th dport { 53, 853 } counter name dns
        ip daddr ${WEB.ipv4} tcp dport 80 counter name web4
        ip6 daddr ${WEB.ipv6} tcp dport 80 counter name web6
      }
    }`,
  );
}
