import { isDeepStrictEqual } from "node:util";
import type { OffersMessage } from "../../api/control-channel.ts";
import type { ExitOffer, RouteView } from "../../api/local-exit.ts";
import type { NetworkMap, SelfInfo } from "../../api/network-map.ts";
import type { IpFamily } from "../../api/primitives.ts";
import { asMeshError, type MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { advertisableRoute, isBehindHost } from "../../exit/advertised-route.ts";
import { type Carriage, carriageTo } from "../../exit/carriage.ts";
import { DEFAULT_ROUTES, type Forwarding, forwardedNetworks } from "../../exit/forwarded.ts";
import type { HostChanges } from "../../host/changes/host-changes.ts";
import { parseAddress } from "../../packet/address.ts";
import { parseCidr } from "../../packet/cidr.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";
import type { Settings } from "../networks/network-state.ts";
import type { Warnings } from "../warnings.ts";
import { HostForwarding } from "./host-forwarding.ts";

export type OfferSettings = Pick<Settings, "allowExitTraffic" | "advertiseRoutes" | "snatRoutes">;

interface OffersOptions {
  readonly settings: OfferSettings;
  readonly interfaceName: string;
  readonly self: SelfInfo;
  /** Of this machine inside the mesh, as its interface has them. */
  readonly addresses: readonly string[];
  /** The ranges of the mesh. */
  readonly ranges: readonly string[];
  /** What is reached through other meshes, at each moment. */
  readonly elsewhere: () => readonly string[];
}

interface OffersDeps {
  readonly changes: HostChanges;
  readonly tunnel: Pick<Tunnel, "acceptDestinations">;
  readonly warnings: Warnings;
  readonly logger: Logger;
}

type Announcement = Omit<OffersMessage, "type">;

const NO_WAY = "this machine has no route there but its default one";

/** What this machine would carry for its peers: to the internet as an exit, and to networks behind it. */
export class Offers implements AsyncDisposable {
  readonly #deps: OffersDeps;
  readonly #addresses: readonly string[];
  readonly #ranges: readonly string[];
  readonly #elsewhere: () => readonly string[];
  readonly #interfaceName: string;
  readonly #host: HostForwarding;
  #settings: OfferSettings;
  /** In which this host has a way to the internet. */
  #families: readonly IpFamily[] = [];
  /** To which it has no way but its default route. */
  #detached: readonly string[] = [];
  #self: SelfInfo;
  /** Where packets from peers may go on to; undefined before that is in force. */
  #accepted: ReturnType<typeof forwardedNetworks> | undefined;
  /** What the host carries; undefined where it refused. */
  #settled: Forwarding | undefined = { exit: [], routes: [] };
  #refusal: MeshError | undefined;
  /** What of the host's stands in the way. */
  #problems: readonly string[] = [];
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;
  #announce: (offers: Announcement) => void = () => undefined;

  private constructor(options: OffersOptions, deps: OffersDeps) {
    const { settings, interfaceName, self, addresses, ranges, elsewhere } = options;
    this.#deps = deps;
    this.#addresses = addresses;
    this.#ranges = ranges;
    this.#elsewhere = elsewhere;
    this.#interfaceName = interfaceName;
    this.#host = new HostForwarding({ interfaceName, mesh: ranges, addresses }, deps.changes);
    this.#settings = advertisable(settings, ranges);
    this.#self = self;
  }

  /**
   * What the host refuses does not keep the machine out of the mesh: it offers nothing then, and says why.
   * @throws MeshError `route-overlap`, `default-route-advertised` for a network that cannot be behind a peer
   */
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

  /** It is offered, no admin forbids it, and the host carries it. */
  get isExit(): boolean {
    return this.#isExit && !this.#self.exitForbidden && this.#refusal === undefined;
  }

  /**
   * @throws MeshError `missing-tool`, `missing-capability`, `host-change-failed`, and as `open`; it is as before then
   */
  async change(settings: OfferSettings): Promise<void> {
    const before = this.#settings;
    this.#settings = advertisable(settings, this.#ranges);
    await this.refresh();
    const refusal = this.#refusal;
    if (refusal === undefined) return;
    this.#settings = before;
    await this.refresh();
    throw refusal;
  }

  /** What admins say to it. */
  setNetwork({ self }: Pick<NetworkMap, "self">): void {
    this.#self = self;
    const wanted = this.#wanted;
    const { forwarded } = this.#networksOf(wanted);
    // What is allowed no more ends now; what is new waits for the host.
    const before = this.#accepted?.forwarded;
    if (before !== undefined) this.#accept(before.filter((one) => forwarded.includes(one)));
    if (!isDeepStrictEqual(wanted, this.#settled) && this.#refusal === undefined) void this.#settle();
    this.#warn();
  }

  /** Looks anew where this host leads to, and at its firewalls. */
  async refresh(): Promise<void> {
    const routes = await this.#deps.changes.tools.ipRoute.routes();
    const leads = (destination: string) =>
      routes.some((route) => route.destination === destination && route.interfaceName !== undefined);
    const isInMesh = (family: IpFamily) =>
      this.#addresses.some((address) => address.includes(":") === (family === "ipv6"));
    this.#families = (["ipv4", "ipv6"] as const).filter((family) => leads(DEFAULT_ROUTES[family]) && isInMesh(family));
    this.#detached = this.#routes.filter((cidr) => !isBehindHost(cidr, routes, this.#interfaceName));
    await this.#settle();
  }

  /** Somebody has changed this host's firewall: what is ours comes back, and what is in the way now is said. Never rejects. */
  firewallChanged(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (this.#settled === undefined || this.#isClosed) return;
      try {
        this.#problems = await this.#host.restore();
      } catch (failure) {
        this.#deps.logger.warn({ err: failure }, "what this host forwards by cannot be put back");
        this.#problems = [`what is carried for peers may be stopped: ${asMeshError(failure).message}`];
      }
      this.#warn();
    });
    return this.#turn;
  }

  /** Takes nothing back, and changes nothing any more: who takes all of it back would miss what came late. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
  }

  view(): ExitOffer {
    return { offered: this.#isExit, families: [...this.#families], forbidden: this.#self.exitForbidden };
  }

  advertised(): RouteView[] {
    return this.#routes.map((cidr) => {
      const inForce = this.#self.approvedRoutes.includes(cidr);
      const approved = this.#detached.includes(cidr) ? `approved, but ${NO_WAY}` : "approved";
      return { cidr, peer: null, inForce, detail: inForce ? approved : notApproved(this.#self.name, cidr) };
    });
  }

  /** What becomes of what peers send to this address, where that is no machine of the mesh. */
  carriage(address: string): Carriage {
    if (this.#refusal !== undefined) return { isCarried: false, detail: this.#refusal.message };
    const state = {
      exit: this.view(),
      routes: this.advertised(),
      snatRoutes: this.#settings.snatRoutes,
      mesh: this.#ranges,
    };
    return carriageTo(address, state);
  }

  get #isExit(): boolean {
    return this.#settings.allowExitTraffic;
  }

  get #routes(): readonly string[] {
    return this.#settings.advertiseRoutes;
  }

  get #announcement(): Announcement {
    const isCarried = this.#refusal === undefined;
    return { exit: this.#isExit && isCarried ? [...this.#families] : [], routes: isCarried ? [...this.#routes] : [] };
  }

  /** What is to be carried: offered, and let be by the admins. */
  get #wanted(): Forwarding {
    const { approvedRoutes, exitForbidden } = this.#self;
    return {
      exit: this.#isExit && !exitForbidden ? this.#families : [],
      routes: this.#routes.filter((one) => approvedRoutes.includes(one)),
    };
  }

  /** Another mesh of this machine is none of this one's peers' business, whatever address is behind it. */
  #networksOf(wanted: Forwarding): ReturnType<typeof forwardedNetworks> {
    return forwardedNetworks(wanted, [...this.#ranges, ...this.#elsewhere()]);
  }

  /** One after the other, and the last one last. Never rejects: `#refusal` says what came of it. */
  #settle(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (this.#isClosed) return;
      const wanted = this.#wanted;
      const { forwarded, spared } = this.#networksOf(wanted);
      try {
        this.#problems = await this.#host.settle(wanted, { spared, snatRoutes: this.#settings.snatRoutes });
        this.#refusal = undefined;
        this.#settled = wanted;
        this.#accept(forwarded);
      } catch (failure) {
        this.#deps.logger.warn({ err: failure }, "this host cannot forward for peers");
        this.#refusal = asMeshError(failure);
        this.#problems = [];
        this.#settled = undefined;
        this.#accept([]);
        await this.#deps.changes.takeBackAll("exit-offer");
      }
      this.#announce(this.#announcement);
      this.#warn();
    });
    return this.#turn;
  }

  /** Lets in what is for this machine and for where it carries. */
  #accept(forwarded: readonly string[]): void {
    const { spared } = this.#networksOf(this.#wanted);
    if (isDeepStrictEqual({ forwarded, spared }, this.#accepted)) return;
    this.#accepted = { forwarded, spared };
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
    if (this.#refusal !== undefined) lines.set("host", `nothing is carried for peers: ${this.#refusal.message}`);
    for (const problem of this.#problems) lines.set(problem, problem);
    for (const { cidr, inForce, detail } of this.advertised()) {
      if (this.#detached.includes(cidr)) {
        const remedy = `attach it, or say by which way it is reached: ip route add ${cidr} via GATEWAY`;
        lines.set(`way ${cidr}`, `the network ${cidr} is advertised, but ${NO_WAY}: ${remedy}`);
      }
      if (!inForce) lines.set(cidr, `the network ${cidr} behind this machine is reached by nobody: ${detail}`);
    }
    this.#deps.warnings.replaceGroup("offer ", lines);
  }
}

/** @throws MeshError `route-overlap`, `default-route-advertised` */
function advertisable(settings: OfferSettings, ranges: readonly string[]): OfferSettings {
  const { allowExitTraffic, advertiseRoutes, snatRoutes } = settings;
  return {
    allowExitTraffic,
    advertiseRoutes: advertiseRoutes.map((route) => advertisableRoute(route, ranges)),
    snatRoutes,
  };
}

function notApproved(name: string, cidr: string): string {
  return `not approved by an admin yet: mesh route approve ${name} ${cidr}`;
}
