import type { Lab } from "./lab.ts";
import type { LabHost } from "./lab-host.ts";
import { makeRouter } from "./lab-router.ts";
import type { LabSegment } from "./lab-segment.ts";

/** Where a host or a router can be attached. */
export interface Uplink {
  /** Gives `host` this device, addresses as the host of this number, and a default route. @returns the addresses, without prefix length */
  attach(host: LabHost, device: string, number: number): Promise<readonly string[]>;
}

const CORE = "2001:db8::ffff";

/**
 * Public addresses of both families, all on one segment; IPv6 networks behind routers are reached by a core router.
 *
 *     198.18.0.0/15 (RFC 2544) and 2001:db8::/48   site N has 198.18.N.x and 2001:db8::N:x
 *     2001:db8:N::/64                              behind the router of site N
 */
export class Internet {
  readonly #segment: LabSegment;
  readonly #core: LabHost;

  private constructor(segment: LabSegment, core: LabHost) {
    this.#segment = segment;
    this.#core = core;
  }

  static async create(lab: Lab): Promise<Internet> {
    const [segment, core] = [await lab.segment("internet"), await lab.host("core")];
    await segment.attach(core, "eth0", [`${CORE}/48`]);
    await makeRouter(core, { nat: "none", outside: "eth0", inside: "eth0" });
    return new Internet(segment, core);
  }

  uplink(site: number, families: readonly (4 | 6)[]): Uplink {
    return {
      attach: async (host, device, number) => {
        const addresses = families.map((family) =>
          family === 4 ? `198.18.${site}.${number}` : `2001:db8::${site}:${number}`,
        );
        const prefixes = families.map((family) => (family === 4 ? 15 : 48));
        await this.#segment.attach(
          host,
          device,
          addresses.map((address, i) => `${address}/${prefixes[i]}`),
        );
        if (families.includes(6)) await host.ip("-6", "route", "add", "default", "via", CORE);
        return addresses;
      },
    };
  }

  /** Makes `network` (IPv6, with prefix length) reachable by a router that is attached at `via`. */
  route(network: string, via: string): Promise<string> {
    return this.#core.ip("-6", "route", "add", network, "via", via);
  }
}

/** A network behind a router, which has its first address. */
export class PrivateNetwork implements Uplink {
  readonly #segment: LabSegment;
  readonly #net: string;
  readonly #isIpv6: boolean;

  /** @param net its first three bytes, or its first three groups */
  constructor(segment: LabSegment, net: string) {
    this.#segment = segment;
    this.#net = net;
    this.#isIpv6 = net.includes(":");
  }

  get prefix(): string {
    return this.#isIpv6 ? `${this.#net}::/64` : `${this.#net}.0/24`;
  }

  /** Of the host of this number; the router's is 1. */
  address(number: number): string {
    return this.#isIpv6 ? `${this.#net}::${number}` : `${this.#net}.${number}`;
  }

  async attach(host: LabHost, device: string, number: number): Promise<readonly string[]> {
    await this.#segment.attach(host, device, [`${this.address(number)}/${this.#isIpv6 ? 64 : 24}`]);
    if (number !== 1) await host.ip("route", "add", "default", "via", this.address(1));
    return [this.address(number)];
  }
}
