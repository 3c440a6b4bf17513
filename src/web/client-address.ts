import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { canonicalAddress, parseAddress } from "../packet/address.ts";
import { type Cidr, cidrContainsAddress, parseCidr } from "../packet/cidr.ts";

const UNKNOWN = "0.0.0.0";

/** Tells the address that a request really comes from, through the proxies that are trusted to say so. */
export class ClientAddresses {
  #trustedProxies: readonly Cidr[];

  /** @throws MeshError `bad-cidr` */
  constructor(trustedProxies: readonly string[]) {
    this.#trustedProxies = trustedProxies.map(parseCidr);
  }

  /** These proxies from now on, and no others. @throws MeshError `bad-cidr` */
  trust(proxies: readonly string[]): void {
    this.#trustedProxies = proxies.map(parseCidr);
  }

  /** Canonical, never v4-mapped, without a zone; `0.0.0.0` when the socket is gone already. */
  of(request: IncomingMessage): string {
    let address = plainAddress(request.socket.remoteAddress ?? "") ?? UNKNOWN;
    const header = request.headers["x-forwarded-for"];
    const hops = (typeof header === "string" ? header : (header ?? []).join(",")).split(",").slice(-16);
    // Each proxy appends who it was asked by: walk back as long as the one who speaks is trusted.
    while (this.#isTrusted(address)) {
      const previous = plainAddress(hops.pop()?.trim() ?? "");
      if (previous === undefined) break;
      address = previous;
    }
    return address;
  }

  #isTrusted(address: string): boolean {
    const bytes = parseAddress(address);
    return this.#trustedProxies.some((proxy) => cidrContainsAddress(proxy, bytes));
  }
}

/** `text` as an address that can be told to others, or undefined when it is none. */
export function plainAddress(text: string): string | undefined {
  const unzoned = text.replace(/%.*$/, "");
  const unmapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(unzoned)?.[1] ?? unzoned;
  return isIP(unmapped) === 0 ? undefined : canonicalAddress(unmapped);
}
