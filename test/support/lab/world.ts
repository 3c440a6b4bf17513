import { Lab } from "./lab.ts";
import type { LabHost } from "./lab-host.ts";
import { makeRouter, type NatKind } from "./lab-router.ts";
import type { LabSegment } from "./lab-segment.ts";
import { MeshPeer } from "./mesh-peer.ts";
import { MeshServer } from "./mesh-server.ts";

/**
 * What stands between a peer and the world.
 * - `open`: nothing, it has a public address.
 * - `easy`: a home router. `hard`: one with another port for every destination. `double`: a home router behind another.
 * - `no-udp`: a home router that forwards no UDP. `only-443`: a firewall that lets nothing out but TCP to port 443.
 */
export type SiteKind = "open" | "easy" | "hard" | "double" | "no-udp" | "only-443";

const SERVER_ADDRESS = "203.0.113.1";
const SERVER_PORT = 443;

/** A network of sites around a coordinator with a public address, reached on port 443. */
export class World implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #internet: LabSegment;
  readonly server: MeshServer;
  #sites = 0;

  private constructor(lab: Lab, internet: LabSegment, server: MeshServer) {
    this.#lab = lab;
    this.#internet = internet;
    this.server = server;
  }

  static async open(): Promise<World> {
    const lab = await Lab.open();
    try {
      const internet = await lab.segment("internet");
      const host = await lab.host("server");
      await internet.attach(host, "eth0", [`${SERVER_ADDRESS}/24`]);
      const publicUrl = `https://${SERVER_ADDRESS}:${SERVER_PORT}`;
      const server = await MeshServer.start(host, { publicUrl, args: ["--listen", `:${SERVER_PORT}`] });
      return new World(lab, internet, server);
    } catch (failure) {
      await lab[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** Hosts of one site of this kind: all of them behind the same router. */
  async site(kind: SiteKind, ...labels: readonly string[]): Promise<LabHost[]> {
    const site = ++this.#sites;
    const hosts: LabHost[] = [];
    if (kind === "open") {
      for (const [i, label] of labels.entries()) {
        const host = await this.#lab.host(label);
        await this.#internet.attach(host, "eth0", [`203.0.113.${site * 10 + i}/24`]);
        hosts.push(host);
      }
      return hosts;
    }
    const router = await this.#lab.host("router");
    const segment = await this.#lab.segment("site");
    await segment.attach(router, "in0", [`10.${site}.0.1/24`]);
    for (const [i, label] of labels.entries()) {
      const host = await this.#lab.host(label);
      await segment.attach(host, "eth0", [`10.${site}.0.${i + 2}/24`]);
      await host.ip("route", "add", "default", "via", `10.${site}.0.1`);
      hosts.push(host);
    }
    await this.#connectRouter(router, kind, site);
    return hosts;
  }

  /** Joins in the foreground with a token of its own. */
  async join(host: LabHost): Promise<MeshPeer> {
    const { token } = await this.server.createToken();
    return MeshPeer.join(host, { server: this.server.url, token });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lab[Symbol.asyncDispose]();
  }

  async #connectRouter(router: LabHost, kind: SiteKind, site: number): Promise<void> {
    const nat: NatKind = kind === "hard" ? "endpoint-dependent" : "port-restricted";
    if (kind === "double") {
      const carrier = await this.#lab.host("carrier");
      await this.#lab.connect(
        { host: router, device: "out0", addresses: [`100.64.${site}.2/24`] },
        { host: carrier, device: "in0", addresses: [`100.64.${site}.1/24`] },
      );
      await router.ip("route", "add", "default", "via", `100.64.${site}.1`);
      await this.#internet.attach(carrier, "out0", [`203.0.113.${site * 10}/24`]);
      await makeRouter(carrier, { nat, outside: "out0", inside: "in0" });
    } else {
      await this.#internet.attach(router, "out0", [`203.0.113.${site * 10}/24`]);
    }
    await makeRouter(router, { nat, outside: "out0", inside: "in0" });
    const refusal = { "no-udp": "meta l4proto udp drop", "only-443": "tcp dport != 443 drop; meta l4proto udp drop" };
    if (kind !== "no-udp" && kind !== "only-443") return;
    const hook = "type filter hook forward priority filter - 1;";
    await router.must(
      "nft",
      `table inet wall { chain out { ${hook} iifname "in0" ${refusal[kind].replace("; ", `; iifname "in0" `)}; }; }`,
    );
  }
}
