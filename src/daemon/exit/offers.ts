import type { OffersMessage } from "../../api/control-channel.ts";
import type { ExitOffer, RouteView } from "../../api/local-exit.ts";
import type { NetworkMap, SelfInfo } from "../../api/network-map.ts";
import type { IpFamily } from "../../api/primitives.ts";
import { advertisableRoute } from "../../exit/advertised-route.ts";
import type { IpRoute } from "../../host/ip-route.ts";
import type { Settings } from "../network-state.ts";
import type { Warnings } from "../warnings.ts";

export type OfferSettings = Pick<Settings, "allowExitTraffic" | "advertiseRoutes" | "snatRoutes">;

interface OffersOptions {
  readonly settings: OfferSettings;
  readonly self: SelfInfo;
  /** The ranges of the mesh. */
  readonly ranges: readonly string[];
}

interface OffersDeps {
  readonly ipRoute: Pick<IpRoute, "routes">;
  readonly warnings: Warnings;
}

type Announcement = Omit<OffersMessage, "type">;

const DEFAULT_ROUTES: Readonly<Record<IpFamily, string>> = { ipv4: "0.0.0.0/0", ipv6: "::/0" };

/** What this machine would carry for its peers: to the internet as an exit, and to networks behind it. */
export class Offers {
  readonly #deps: OffersDeps;
  readonly #routes: readonly string[];
  #isExit: boolean;
  /** In which this host has a way to the internet. */
  #families: readonly IpFamily[] = [];
  #self: SelfInfo;
  #announce: (offers: Announcement) => void = () => undefined;

  private constructor({ settings, self, ranges }: OffersOptions, deps: OffersDeps) {
    this.#deps = deps;
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
    this.#warn();
  }

  /** Looks anew where this host leads to. */
  async refresh(): Promise<void> {
    const destinations = new Set((await this.#deps.ipRoute.routes()).map(({ destination }) => destination));
    this.#families = (["ipv4", "ipv6"] as const).filter((family) => destinations.has(DEFAULT_ROUTES[family]));
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
