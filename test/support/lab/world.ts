import { Internet } from "./internet.ts";
import { Lab } from "./lab.ts";
import type { LabHost } from "./lab-host.ts";
import { MeshPeer, type MeshPeerOptions } from "./mesh-peer.ts";
import { MeshServer } from "./mesh-server.ts";
import { buildSite, type SiteOptions } from "./site.ts";
import { type SiteKind, siteSpec } from "./site-kinds.ts";

export type { SiteKind } from "./site-kinds.ts";

const SERVER_PORT = 443;

/** A network of sites around a coordinator with public addresses of both families, reached on port 443. */
export class World implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #internet: Internet;
  readonly server: MeshServer;
  /** How the daemons of hosts reach the coordinator, where not by its IPv4 address. */
  readonly #reaching = new Map<LabHost, Partial<MeshPeerOptions>>();
  readonly #ipv6Url: string;
  #sites = 0;

  private constructor(lab: Lab, internet: Internet, server: MeshServer, ipv6Url: string) {
    this.#lab = lab;
    this.#internet = internet;
    this.server = server;
    this.#ipv6Url = ipv6Url;
  }

  static async open(): Promise<World> {
    const lab = await Lab.open();
    try {
      const internet = await Internet.create(lab);
      const host = await lab.host("server");
      const [v4, v6] = await internet.uplink(0, [4, 6]).attach(host, "eth0", 1);
      const publicUrl = `https://${v4}:${SERVER_PORT}`;
      const ipv6Url = `https://[${v6}]:${SERVER_PORT}`;
      const args = ["--public-url", ipv6Url, "--listen", `:${SERVER_PORT}`];
      return new World(lab, internet, await MeshServer.start(host, { publicUrl, args }), ipv6Url);
    } catch (failure) {
      await lab[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** Hosts of one site of this kind: all of them on one LAN. */
  site(
    site: SiteKind | { readonly kind: SiteKind; readonly hairpin: boolean },
    ...labels: readonly string[]
  ): Promise<LabHost[]> {
    return this.#build({ ...(typeof site === "string" ? { kind: site } : site), homes: [labels] });
  }

  /** Hosts that have a home router each, all behind one carrier's NAT. */
  neighbours(carrier: { readonly hairpin: boolean }, ...labels: readonly string[]): Promise<LabHost[]> {
    return this.#build({ kind: "cgnat", homes: labels.map((label) => [label]), ...carrier });
  }

  /** Joins in the foreground, with a token of its own unless `options` have one. */
  async join(host: LabHost, options: Partial<MeshPeerOptions> = {}): Promise<MeshPeer> {
    const { token } = options.token === undefined ? await this.server.createToken() : { token: options.token };
    return MeshPeer.join(host, { server: this.server.url, token, ...this.#reaching.get(host), ...options });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lab[Symbol.asyncDispose]();
  }

  async #build(options: Omit<SiteOptions, "number">): Promise<LabHost[]> {
    const isIpv6Only = !siteSpec(options.kind).families.includes(4);
    const built = await buildSite(this.#lab, this.#internet, { ...options, number: ++this.#sites });
    for (const { host, proxyUrl } of built) {
      if (isIpv6Only) this.#reaching.set(host, { server: this.#ipv6Url });
      // Namespaces take no proxy over from the outside: `env` sets it inside.
      if (proxyUrl !== undefined) this.#reaching.set(host, { wrapper: ["env", `HTTPS_PROXY=${proxyUrl}`] });
    }
    return built.map(({ host }) => host);
  }
}
