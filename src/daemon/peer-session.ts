import {
  type AcceptedPeer,
  type NetcheckReply,
  type PingReply,
  type PingRequest,
  type PreferenceReply,
  type PreferenceRequest,
  type Preferences,
  pingRequestSchema,
} from "../api/local.ts";
import type { ExitCheck, ExitView, RouteView } from "../api/local-exit.ts";
import type { MapPeer, NetworkMap } from "../api/network-map.ts";
import { DisposeStack } from "../base/dispose.ts";
import { ControlChannel } from "../control/control-channel.ts";
import type { IncomingCall } from "../control/control-channel-types.ts";
import { hostAndPort } from "../control/coordinator-url.ts";
import type { VerifiedMap } from "../control/map-verifier.ts";
import { HostFirewall } from "../host/firewall/host-firewall.ts";
import { IpRoute } from "../host/ip-route.ts";
import { ConfWatch } from "../host/resolver/conf-watch.ts";
import type { UnderlaySockets } from "../host/underlay/underlay-sockets.ts";
import { parseEndpoint } from "../router/endpoint-text.ts";
import type { Tunnel } from "../router/tunnel.ts";
import { callAsAdmin } from "./admin-call.ts";
import { CallBatch } from "./call-batch.ts";
import type { DnsKeeper } from "./dns/dns-keeper.ts";
import type { HostNames } from "./dns/host-names.ts";
import { NamesForPeers } from "./dns/names-for-peers.ts";
import type { AcceptedRoutes } from "./exit/accepted-routes.ts";
import { requireExits } from "./exit/exit-nodes.ts";
import { exitPeers } from "./exit/exit-peers.ts";
import type { ExitUse } from "./exit/exit-use.ts";
import { FirewallKeeper } from "./exit/firewall-keeper.ts";
import type { Offers } from "./exit/offers.ts";
import { Explainer } from "./explain/explainer.ts";
import type { FilterKeeper } from "./filter/filter-keeper.ts";
import type { NetworkView } from "./network-view.ts";
import { NetworkWatch } from "./network-watch.ts";
import { OverrideEndpoints } from "./override-endpoints.ts";
import { followOwnEntry } from "./own-entry.ts";
import { logPaths } from "./path-log.ts";
import type { PathPreferences } from "./path-preferences.ts";
import { peersToTunnel } from "./peers-to-tunnel.ts";
import { findPeer, pingRepeatedly } from "./pinger.ts";
import { serveUapi } from "./serve-uapi.ts";
import { openSessionParts, type SessionOptions, type SessionParts, type SessionPartsDeps } from "./session-parts.ts";
import type { SessionSources } from "./status-builder.ts";
import type { Underlay } from "./underlay.ts";
import { underlayDial } from "./underlay-dial.ts";

/** How often those who watch the status are told of round trips and ages. */
const STATUS_INTERVAL_MS = 2000;

export interface PeerSessionDeps extends SessionPartsDeps {
  /** Something that a status shows has changed. */
  readonly onChange: () => void;
}

/**
 * A running peer: tunnel, the host's interface and routes, the control channel and the UAPI socket, from `mesh up` to `mesh
 * down`. It starts from the cached map, so that the coordinator need not be there.
 */
export class PeerSession implements AsyncDisposable {
  readonly filter: FilterKeeper;
  readonly offers: Offers;
  readonly exitUse: ExitUse;
  readonly dns: DnsKeeper;
  readonly hostNames: HostNames;
  readonly explainer: Explainer;
  readonly #sockets: UnderlaySockets;
  readonly #options: SessionOptions;
  readonly #deps: PeerSessionDeps;
  readonly #tunnel: Tunnel;
  readonly #view: NetworkView;
  readonly #channel: ControlChannel;
  readonly #resources: DisposeStack;
  readonly #underlay: Underlay;
  readonly #preferences: PathPreferences;
  readonly #overrides: OverrideEndpoints;
  readonly #routes: AcceptedRoutes;
  readonly #namesForPeers: NamesForPeers;
  #hasFreshMap = false;
  #wasConnected = false;
  /** The coordinator tells us of every change of the map in force. */
  #isMapCurrent = false;

  private constructor(options: SessionOptions, deps: PeerSessionDeps, parts: SessionParts, resources: DisposeStack) {
    const { view } = parts;
    this.#options = options;
    this.#deps = deps;
    this.#tunnel = parts.tunnel;
    this.#view = view;
    this.filter = parts.filter;
    this.offers = parts.offers;
    this.exitUse = parts.exitUse;
    this.dns = parts.dns;
    this.#sockets = parts.sockets;
    this.hostNames = parts.hostNames;
    this.explainer = new Explainer({
      tunnel: parts.tunnel,
      filter: parts.filter,
      firewall: new HostFirewall(),
      ipRoute: new IpRoute(),
      sysctls: parts.changes.tools.sysctls,
      exitUse: parts.exitUse,
      routes: parts.routes,
      offers: parts.offers,
      map: () => view.map,
      admin: (call) => callAsAdmin(options.enrolment, options.keys, underlayDial(parts.sockets), call),
    });
    this.#resources = resources;
    this.#underlay = parts.underlay;
    this.#preferences = parts.preferences;
    this.#routes = parts.routes;
    this.#namesForPeers = new NamesForPeers(parts);
    this.#routes.onChange(() => this.#applyMapAgain());
    this.#overrides = resources.use(
      new OverrideEndpoints({
        ...deps,
        resolve: parts.sockets.resolve,
        onChange: () => this.#applyMapAgain(),
      }),
    );
    logPaths(this.#tunnel.paths, {
      logger: deps.logger,
      nameOf: (publicKey) => this.#nameOf(publicKey),
      onChange: deps.onChange,
    });
    const { urls, trust, network } = options.enrolment;
    this.#underlay.onChange(() => this.#look());
    const calls = new CallBatch((peers) => this.#channel.call(peers));
    this.#tunnel.paths.onCall((publicKey) => calls.add(publicKey));
    this.#channel = new ControlChannel(
      { urls, trust, networkId: network.id, keys: options.keys, map: view.map },
      {
        onMap: (map) => this.#takeMap(map),
        onCall: (call) => this.#takeCall(call),
        onStateChange: () => this.#channelChanged(),
      },
      { logger: deps.logger, clock: deps.clock, socketFactory: underlayDial(parts.sockets) },
    );
    this.offers.onAnnouncement((offers) => this.#channel.setOffers(offers));
  }

  /** What a half start acquired is given back. */
  static async start(options: SessionOptions, deps: PeerSessionDeps): Promise<PeerSession> {
    const resources = new DisposeStack();
    try {
      return await PeerSession.#compose(options, deps, resources);
    } catch (failure) {
      await resources.close();
      throw failure;
    }
  }

  static async #compose(options: SessionOptions, deps: PeerSessionDeps, resources: DisposeStack): Promise<PeerSession> {
    const parts = await openSessionParts(options, deps, resources);
    const { tunnel, view, ownLink } = parts;
    const { clock, logger } = deps;
    const session = new PeerSession(options, deps, parts, resources);
    if (view.map !== undefined) session.#applyMap(view.map);
    await parts.exitUse.start({
      device: parts.device,
      families: parts.families,
      ping: (publicKey, options) => tunnel.ping(publicKey, options),
      isReached: (publicKey) => tunnel.peers().find((peer) => peer.publicKey === publicKey)?.paths?.current !== null,
      onChange: () => session.#applyMapAgain(),
    });
    await session.#openUapi();
    session.#announceEndpoints();
    resources.use(session.#channel);
    session.#channel.start();
    const { interfaceName } = tunnel.info;
    const onChange = (change: { readonly sleptMs: number }) => session.#networkChanged(change);
    const onOwnLink = (isUp: boolean) => void ownLink.changed(isUp);
    resources.use(new NetworkWatch({ interfaceName }, { clock, logger, onChange, onOwnLink }));
    resources.use(new ConfWatch(() => session.#lookAtResolver()));
    session.#lookAtResolver();
    const firewall = resources.use(
      new FirewallKeeper(parts.changes, { clock, logger, onChange: () => session.#firewallChanged() }),
    );
    firewall.keep();
    session.#tellOfPipes();
    const ticker = setInterval(() => {
      session.#tellOfPipes();
      session.dns.keep();
      void session.hostNames.keep();
      session.#namesForPeers.keep();
      firewall.keep();
      session.#keepPins();
      deps.onChange();
    }, STATUS_INTERVAL_MS);
    resources.defer(() => clearInterval(ticker));
    return session;
  }

  /** Whether the coordinator has sent a map since the start. */
  get hasFreshMap(): boolean {
    return this.#hasFreshMap;
  }

  sources(): SessionSources {
    return {
      map: this.#view.map,
      tunnel: this.#tunnel.info,
      tunnelPeers: this.#tunnel.peers(),
      drops: this.#tunnel.dropCounters(),
      counters: this.#tunnel.interfaceCounters(),
      stagesMs: this.#tunnel.stagesMs(),
      channel: this.#channel.state,
      endpoints: this.#underlay.endpoints,
      relays: this.#underlay.relays,
      nat: this.#underlay.nat,
      isExit: this.offers.isExit,
      exitUse: this.exitUse.view(),
      preferenceOf: (peer) => this.#preferences.of(peer),
      sshAttemptsOf: (peer) => this.#underlay.sshAttemptsOf(peer),
    };
  }

  ping(request: PingRequest, signal: AbortSignal): AsyncGenerator<PingReply> {
    const { peer, ...schedule } = pingRequestSchema.parse(request);
    return pingRepeatedly(
      findPeer(this.#view.map, peer),
      schedule,
      (publicKey, options) => this.pingKey(publicKey, options),
      signal,
    );
  }

  /** One round trip. */
  pingKey(publicKey: string, options: { readonly timeoutMs: number }): ReturnType<Tunnel["ping"]> {
    return this.#tunnel.ping(publicKey, options);
  }

  /** @throws MeshError `not-found` */
  async acceptPeer(name: string): Promise<AcceptedPeer> {
    const { ip4, ip6, wireguardKey: publicKey } = await this.#view.accept(name);
    this.#channel.requestFullMap();
    return { name, ip4, ip6, publicKey };
  }

  preferences(): Preferences {
    return { transports: [...this.#preferences.transports], peers: this.#preferences.list() };
  }

  /** @throws MeshError `not-found`, `transport-excluded` */
  async prefer({ peer, preference }: PreferenceRequest): Promise<PreferenceReply> {
    // What was asked for a peer that has gone can still be dropped.
    const isDropped = preference === null && this.#preferences.of(peer) !== null;
    const name = isDropped ? peer : findPeer(this.#view.map, peer).name;
    await this.#preferences.set(name, preference);
    this.#deps.warnings.replaceGroup("paths ", this.#preferences.problems());
    this.#applyMapAgain();
    this.#deps.onChange();
    return { peer: name, preference: this.#preferences.of(name) };
  }

  exits(): Omit<ExitView, "use"> & { readonly use: Omit<ExitView["use"], "confirmBy"> } {
    return { offer: this.offers.view(), use: this.exitUse.view(), exits: exitPeers(this.#view.map) };
  }

  checkExit(): Promise<ExitCheck> {
    const { url, services } = this.#channel.state;
    const [port] = services?.stunPorts ?? [];
    const stun = port === undefined ? undefined : { host: hostAndPort(url).host, port };
    return this.exitUse.check({ sockets: this.#sockets, stun });
  }

  /** @throws MeshError see `requireExits` */
  requireExits(nodes: readonly string[]): void {
    requireExits(nodes, this.#view.map);
  }

  routes(): RouteView[] {
    return [...this.#routes.view(), ...this.offers.advertised()];
  }

  netcheck(signal: AbortSignal): Promise<NetcheckReply> {
    return this.#underlay.netcheck(signal);
  }

  close(): Promise<void> {
    return this.#resources.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #takeMap(map: NetworkMap): void {
    const before = this.#view.map?.self ?? this.#options.enrolment.self;
    const verified = this.#view.take(map, this.#deps.clock.wallMs());
    this.#applyMap(verified);
    this.#hasFreshMap = true;
    this.#isMapCurrent = true;
    followOwnEntry(before, verified.self, this.#options, this.#deps);
    this.#deps.onChange();
  }

  #applyMap(verified: VerifiedMap): void {
    const map = this.#routes.outside(verified);
    this.#followNames(map);
    this.#underlay.setPeers(map);
    this.#overrides.setPeers(map);
    this.filter.setNetwork(map);
    this.offers.setNetwork(map);
    this.dns.setNetwork(map);
    this.#namesForPeers.keep();
    this.#routes.setNetwork(map);
    this.exitUse.setNetwork(map);
    const context = {
      overridesOf: ({ overrideEndpoint }: MapPeer) => this.#overrides.endpointsOf(overrideEndpoint),
      preferenceOf: (peer: string) => this.#preferences.effective(peer),
      routesOf: ({ wireguardKey }: MapPeer) => this.#routes.of(wireguardKey),
      exitIpsOf: ({ wireguardKey }: MapPeer) => this.exitUse.carriedBy(wireguardKey),
    };
    this.#tunnel.configurePeers(peersToTunnel(map, context));
  }

  /** What was asked of the paths to a peer is asked under the name that it has now. */
  #followNames({ peers }: VerifiedMap): void {
    const saved = this.#preferences.follow(peers);
    if (saved === undefined) return;
    this.#deps.warnings.replaceGroup("paths ", this.#preferences.problems());
    saved.catch((failure: unknown) => {
      this.#deps.logger.warn({ err: failure }, "the names for which paths are preferred cannot be kept on disk");
    });
  }

  /** As of the coordinator's last sign of life: after a sleep the connection only seems to be there. */
  #keepPins(): void {
    const { lastContactAtMs } = this.#channel.state;
    if (this.#isMapCurrent && lastContactAtMs !== null) this.#view.seenAgain(lastContactAtMs);
  }

  #applyMapAgain(): void {
    if (this.#view.map !== undefined) this.#applyMap(this.#view.map);
  }

  #takeCall({ peer, endpoints }: IncomingCall): void {
    this.#tunnel.paths.called(peer, { isAnswer: false, endpoints: endpoints.map(parseEndpoint) });
  }

  #channelChanged(): void {
    const { url, connected, services } = this.#channel.state;
    this.#isMapCurrent &&= connected;
    if (connected) this.#underlay.follow({ url, services });
    if (connected && !this.#wasConnected) this.#tunnel.paths.callable();
    this.#wasConnected = connected;
    this.#deps.onChange();
  }

  /** Tells the coordinator where this machine can be reached, when that has changed. */
  #announceEndpoints(): void {
    if (!this.#underlay.refresh()) return;
    this.#channel.setEndpoints(this.#underlay.announcement);
    this.#tunnel.paths.setOwnEndpoints(this.#underlay.endpoints.map(parseEndpoint));
  }

  /** Sessions stay, unless the other ends have given them up while we slept; every way must prove itself anew. */
  #networkChanged({ sleptMs }: { readonly sleptMs: number }): void {
    if (sleptMs > 0) this.#tunnel.slept(sleptMs);
    this.filter.expire();
    this.#underlay.networkChanged();
    this.#refreshOffers();
    this.#lookAtResolver();
    this.#routes.refresh();
    this.exitUse.networkChanged();
    this.#overrides.networkChanged();
    this.#announceEndpoints();
    this.#tunnel.paths.networkChanged();
    this.#channel.checkNow();
    this.#deps.onChange();
  }

  #lookAtResolver(): void {
    void this.dns.refresh();
    void this.hostNames.look();
  }

  #firewallChanged(): void {
    void this.offers.firewallChanged();
    this.exitUse.firewallChanged();
  }

  #refreshOffers(): void {
    this.offers.refresh().catch((failure: unknown) => {
      this.#deps.logger.warn({ err: failure }, "what this machine can offer cannot be seen");
    });
  }

  #tellOfPipes(): void {
    this.#deps.warnings.replaceGroup("pipe ", this.#underlay.problems);
  }

  #look(): void {
    this.#announceEndpoints();
    this.#deps.onChange();
  }

  #nameOf(publicKey: string): string {
    return this.#view.map?.peers.find((peer) => peer.wireguardKey === publicKey)?.name ?? publicKey;
  }

  async #openUapi(): Promise<void> {
    const { interfaceName, listenPort } = this.#tunnel.info;
    const privateKey = this.#options.keys.exportWireguardPrivate();
    const { fwmark } = this.#options.settings;
    const device = () => ({ privateKey, listenPort, fwmark, peers: this.#tunnel.peers() });
    const server = await serveUapi(interfaceName, device, this.#deps);
    if (server !== undefined) this.#resources.use(server);
  }
}
