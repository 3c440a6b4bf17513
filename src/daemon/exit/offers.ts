import { isDeepStrictEqual } from "node:util";
import type { OffersMessage } from "../../api/control-channel.ts";
import type { ExitOffer, RouteView } from "../../api/local-exit.ts";
import type { NetworkMap, SelfInfo } from "../../api/network-map.ts";
import type { IpFamily } from "../../api/primitives.ts";
import { advertisableRoute } from "../../exit/advertised-route.ts";
import { DEFAULT_ROUTES, type Forwarding, forwardedNetworks } from "../../exit/forwarded.ts";
import type { IpRoute } from "../../host/ip-route.ts";
import { parseAddress } from "../../packet/address.ts";
import { parseCidr } from "../../packet/cidr.ts";
import type { Tunnel } from "../../router/tunnel.ts";
import type { Settings } from "../network-state.ts";
import type { Warnings } from "../warnings.ts";

export type OfferSettings = Pick<Settings, "allowExitTraffic" | "advertiseRoutes" | "snatRoutes">;

interface OffersOptions {
  readonly settings: OfferSettings;
  readonly self: SelfInfo;
  /** Of this machine inside the mesh, as its interface has them. */
  readonly addresses: readonly string[];
  /** The ranges of the mesh. */
  readonly ranges: readonly string[];
}

interface OffersDeps {
  readonly ipRoute: Pick<IpRoute, "routes">;
  readonly tunnel: Pick<Tunnel, "acceptDestinations">;
  readonly warnings: Warnings;
}

type Announcement = Omit<OffersMessage, "type">;

/** What this machine would carry for its peers: to the internet as an exit, and to networks behind it. */
export class Offers {
  readonly #deps: OffersDeps;
  readonly #addresses: readonly string[];
  readonly #ranges: readonly string[];
  readonly #routes: readonly string[];
  #isExit: boolean;
  /** In which this host has a way to the internet. */
  #families: readonly IpFamily[] = [];
  #self: SelfInfo;
  /** Where packets from peers may go on to; undefined before that is in force. */
  #forwarded: readonly string[] | undefined;
  #announce: (offers: Announcement) => void = () => undefined;

  private constructor({ settings, self, addresses, ranges }: OffersOptions, deps: OffersDeps) {
    this.#deps = deps;
    this.#addresses = addresses;
    this.#ranges = ranges;
    this.#isExit = settings.allowExitTraffic;
    this.#routes = settings.advertiseRoutes.map((route) => advertisableRoute(route, ranges));
    this.#self = self;
  }

  /** @throws MeshError `route-overlap`, `default-route-advertised` for a network that cannot be behind a peer */
  static async open(options: OffersOptions, deps: OffersDeps): Promise<Offers> {
    const offers = new Offers(options, deps);
    await offers.refresh();
    return offers;
  }

  /** Calls `listener` with what the coordinator is to be told, now and after every change. */
  onAnnouncement(listener: (offers: Announcement) => void): void {
    this.#announce = listener;
    listener(this.#announcement);
  }

  /** It is offered, and no admin forbids it. */
  get isExit(): boolean {
    return this.#isExit && !this.#self.exitForbidden;
  }

  async setExit(isExit: boolean): Promise<void> {
    this.#isExit = isExit;
    await this.refresh();
  }

  /** What admins say to it. */
  setNetwork({ self }: Pick<NetworkMap, "self">): void {
    this.#self = self;
    this.#open();
    this.#warn();
  }

  /** Looks anew where this host leads to. */
  async refresh(): Promise<void> {
    const destinations = new Set((await this.#deps.ipRoute.routes()).map(({ destination }) => destination));
    this.#families = (["ipv4", "ipv6"] as const).filter((family) => destinations.has(DEFAULT_ROUTES[family]));
    this.#open();
    this.#announce(this.#announcement);
    this.#warn();
  }

  view(): ExitOffer {
    return { offered: this.#isExit, families: [...this.#families], forbidden: this.#self.exitForbidden };
  }

  advertised(): RouteView[] {
    return this.#routes.map((cidr) => {
      const inForce = this.#self.approvedRoutes.includes(cidr);
      return { cidr, peer: null, inForce, detail: inForce ? "approved" : notApproved(this.#self.name, cidr) };
    });
  }

  get #announcement(): Announcement {
    return { exit: this.#isExit ? [...this.#families] : [], routes: [...this.#routes] };
  }

  /** What is carried: offered, and let be by the admins. */
  get #forwarding(): Forwarding {
    const { approvedRoutes } = this.#self;
    return {
      exit: this.isExit ? this.#families : [],
      routes: this.#routes.filter((one) => approvedRoutes.includes(one)),
    };
  }

  /** Lets in what is for this machine and for where it carries. */
  #open(): void {
    const { forwarded, spared } = forwardedNetworks(this.#forwarding, this.#ranges);
    if (isDeepStrictEqual(forwarded, this.#forwarded)) return;
    this.#forwarded = forwarded;
    this.#deps.tunnel.acceptDestinations({
      own: this.#addresses.map(parseAddress),
      forwarded: forwarded.map(parseCidr),
      spared: spared.map(parseCidr),
    });
  }

  #warn(): void {
    const lines = new Map<string, string>();
    if (this.#isExit && this.#self.exitForbidden) {
      lines.set("exit", "this machine offers to be an exit, which an admin forbids: mesh exit allow lifts that");
    } else if (this.#isExit && this.#families.length === 0) {
      lines.set("exit", "this machine offers to be an exit, but has no default route to the internet itself");
    }
    for (const { cidr, inForce, detail } of this.advertised()) {
      if (!inForce) lines.set(cidr, `the network ${cidr} behind this machine is reached by nobody: ${detail}`);
    }
    this.#deps.warnings.replaceGroup("offer ", lines);
  }
}

function notApproved(name: string, cidr: string): string {
  return `not approved by an admin yet: mesh route approve ${name} ${cidr}`;
}
