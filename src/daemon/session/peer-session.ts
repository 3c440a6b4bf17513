import {
  type AcceptedPeer,
  type NetcheckReply,
  type PingReply,
  type PingRequest,
  type PreferenceReply,
  type PreferenceRequest,
  type Preferences,
  pingRequestSchema,
} from "../../api/local.ts";
import type { ExitCheck, ExitView, RouteView } from "../../api/local-exit.ts";
import { DisposeStack } from "../../base/dispose.ts";
import { loggerOf } from "../../base/logger.ts";
import { ControlChannel } from "../../control/control-channel.ts";
import type { IncomingCall } from "../../control/control-channel-types.ts";
import { hostAndPort } from "../../control/coordinator-url.ts";
import { ConfWatch } from "../../host/resolver/conf-watch.ts";
import { parseEndpoint } from "../../router/tunnel/endpoint-text.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";
import { CallBatch } from "../call-batch.ts";
import { NamesForPeers } from "../dns/names-for-peers.ts";
import { requireExits } from "../exit/exit-nodes.ts";
import { exitPeers } from "../exit/exit-peers.ts";
import { FirewallKeeper } from "../exit/firewall-keeper.ts";
import type { SettingName, Settings } from "../networks/network-state.ts";
import { findPeer, pingRepeatedly } from "../pinger.ts";
import { takeLive } from "../settings/live-settings.ts";
import type { SessionSources } from "../status-builder.ts";
import { serveUapi } from "../uapi/serve-uapi.ts";
import { MapFollower } from "./map-follower.ts";
import { NetworkWatch } from "./network-watch.ts";
import { OverrideEndpoints } from "./override-endpoints.ts";
import { logPaths } from "./path-log.ts";
import { openSessionParts, type SessionOptions, type SessionParts, type SessionPartsDeps } from "./session-parts.ts";
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
  readonly parts: SessionParts;
  readonly #options: SessionOptions;
  readonly #deps: PeerSessionDeps;
  readonly #channel: ControlChannel;
  readonly #resources: DisposeStack;
  readonly #overrides: OverrideEndpoints;
  readonly #namesForPeers: NamesForPeers;
  readonly #follower: MapFollower;
  #settings: Settings;
  #wasConnected = false;

  private constructor(options: SessionOptions, deps: PeerSessionDeps, parts: SessionParts, resources: DisposeStack) {
    const { tunnel, view, underlay, sockets } = parts;
    this.parts = parts;
    this.#options = options;
    this.#deps = deps;
    this.#resources = resources;
    this.#settings = options.settings;
    this.#namesForPeers = new NamesForPeers(parts);
    const onChange = () => this.#follower.applyAgain();
    this.#overrides = resources.use(
      new OverrideEndpoints({ ...deps, logger: loggerOf("paths", deps.logger), resolve: sockets.resolve, onChange }),
    );
    const followers = { ...parts, overrides: this.#overrides, namesForPeers: this.#namesForPeers };
    this.#follower = new MapFollower(options, deps, followers);
    parts.routes.onChange(() => {
      onChange();
      this.#tellNeighbours();
    });
    parts.neighbours.onChange(() => this.#neighboursChanged());
    logPaths(tunnel.paths, {
      logger: loggerOf("paths", deps.logger),
      nameOf: (publicKey) => this.#nameOf(publicKey),
      onChange: deps.onChange,
    });
    const { urls, trust, network } = options.enrolment;
    underlay.onChange(() => this.#look());
    const calls = new CallBatch((peers) => this.#channel.call(peers));
    tunnel.paths.onCall((publicKey) => calls.add(publicKey));
    this.#channel = new ControlChannel(
      { urls, trust, networkId: network.id, keys: options.keys, map: view.map },
      {
        onMap: (map) => {
          this.#follower.take(map);
          deps.onChange();
        },
        onCall: (call) => this.#takeCall(call),
        onStateChange: () => this.#channelChanged(),
      },
      { logger: loggerOf("control", deps.logger), clock: deps.clock, socketFactory: underlayDial(sockets) },
    );
    parts.offers.onAnnouncement((offers) => this.#channel.setOffers(offers));
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
    const { tunnel, ownLink } = parts;
    const { clock } = deps;
    const logger = loggerOf("host", deps.logger);
    const session = new PeerSession(options, deps, parts, resources);
    session.#follower.applyAgain();
    await parts.exitUse.start({
      device: parts.device,
      families: parts.families,
      ping: (publicKey, options) => tunnel.ping(publicKey, options),
      isReached: (publicKey) => tunnel.peers().find((peer) => peer.publicKey === publicKey)?.paths?.current !== null,
      onChange: () => session.#follower.applyAgain(),
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
    session.#neighboursChanged();
    session.#tellNeighbours();
    const firewall = resources.use(
      new FirewallKeeper(parts.changes, { clock, logger, onChange: () => session.#firewallChanged() }),
    );
    firewall.keep();
    session.#tellOfPipes();
    const ticker = setInterval(() => {
      session.#tellOfPipes();
      parts.neighbours.look();
      parts.view.keep();
      parts.dns.keep();
      void parts.hostNames.keep();
      session.#tellNeighbours();
      session.#namesForPeers.keep();
      firewall.keep();
      session.#follower.keepPins(session.#channel.state.lastContactAtMs);
      deps.onChange();
    }, STATUS_INTERVAL_MS);
    resources.defer(() => clearInterval(ticker));
    return session;
  }

  /** Whether the coordinator has sent a map since the start. */
  get hasFreshMap(): boolean {
    return this.#follower.isFresh;
  }

  sources(): SessionSources {
    const { view, tunnel, underlay, offers, exitUse, preferences } = this.parts;
    return {
      map: view.map,
      tunnel: tunnel.info,
      tunnelPeers: tunnel.peers(),
      drops: tunnel.dropCounters(),
      counters: tunnel.interfaceCounters(),
      stagesMs: tunnel.stagesMs(),
      channel: this.#channel.state,
      endpoints: underlay.endpoints,
      relays: underlay.relays,
      nat: underlay.nat,
      isExit: offers.isExit,
      exitUse: exitUse.view(),
      preferenceOf: (peer) => preferences.of(peer),
      sshAttemptsOf: (peer) => underlay.sshAttemptsOf(peer),
    };
  }

  /**
   * Takes up settings that need no other tunnel (`isLive`). All or nothing.
   * @throws MeshError what the first part says that refuses
   */
  async change(next: Settings, changed: ReadonlySet<SettingName>): Promise<void> {
    // Others hear of an exit before it is in force, and of none after.
    const exit = next.exitNodes.length > 0;
    if (exit) await this.parts.neighbours.tell({ exit });
    try {
      await takeLive({ before: this.#settings, next, changed }, this.parts);
      this.#settings = next;
    } finally {
      await this.parts.neighbours.tell({ exit: this.#settings.exitNodes.length > 0 });
    }
    this.#deps.warnings.replaceGroup("paths ", this.parts.preferences.problems());
    this.#follower.applyAgain();
    this.#deps.onChange();
  }

  /** See `DataThread.pulse`. */
  pulse(): number {
    return this.parts.tunnel.pulse();
  }

  ping(request: PingRequest, signal: AbortSignal): AsyncGenerator<PingReply> {
    const { peer, ...schedule } = pingRequestSchema.parse(request);
    return pingRepeatedly(
      findPeer(this.parts.view.map, peer),
      schedule,
      (publicKey, options) => this.pingKey(publicKey, options),
      signal,
    );
  }

  /** One round trip. */
  pingKey(publicKey: string, options: { readonly timeoutMs: number }): ReturnType<Tunnel["ping"]> {
    return this.parts.tunnel.ping(publicKey, options);
  }

  /** @throws MeshError `not-found` */
  async acceptPeer(name: string): Promise<AcceptedPeer> {
    const { ip4, ip6, wireguardKey: publicKey } = await this.parts.view.accept(name);
    this.#channel.requestFullMap();
    return { name, ip4, ip6, publicKey };
  }

  preferences(): Preferences {
    return { transports: [...this.parts.preferences.transports], peers: this.parts.preferences.list() };
  }

  /** @throws MeshError `not-found`, `transport-excluded` */
  async prefer({ peer, preference }: PreferenceRequest): Promise<PreferenceReply> {
    // What was asked for a peer that has gone can still be dropped.
    const isDropped = preference === null && this.parts.preferences.of(peer) !== null;
    const name = isDropped ? peer : findPeer(this.parts.view.map, peer).name;
    await this.parts.preferences.set(name, preference);
    this.#deps.warnings.replaceGroup("paths ", this.parts.preferences.problems());
    this.#follower.applyAgain();
    this.#deps.onChange();
    return { peer: name, preference: this.parts.preferences.of(name) };
  }

  exits(): Omit<ExitView, "use"> & { readonly use: Omit<ExitView["use"], "confirmBy"> } {
    return { offer: this.parts.offers.view(), use: this.parts.exitUse.view(), exits: exitPeers(this.parts.view.map) };
  }

  checkExit(): Promise<ExitCheck> {
    const { url, services } = this.#channel.state;
    const [port] = services?.stunPorts ?? [];
    const stun = port === undefined ? undefined : { host: hostAndPort(url).host, port };
    return this.parts.exitUse.check({ sockets: this.parts.sockets, stun });
  }

  /** @throws MeshError see `requireExits` */
  requireExits(nodes: readonly string[]): void {
    requireExits(nodes, this.parts.view.map);
  }

  routes(): RouteView[] {
    return [...this.parts.routes.view(), ...this.parts.offers.advertised()];
  }

  netcheck(signal: AbortSignal): Promise<NetcheckReply> {
    return this.parts.underlay.netcheck(signal);
  }

  close(): Promise<void> {
    return this.#resources.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #takeCall({ peer, endpoints }: IncomingCall): void {
    this.parts.tunnel.paths.called(peer, { isAnswer: false, endpoints: endpoints.map(parseEndpoint) });
  }

  #channelChanged(): void {
    const { url, connected, services } = this.#channel.state;
    this.#follower.channelChanged(connected);
    if (connected) this.parts.underlay.follow({ url, services });
    if (connected && !this.#wasConnected) this.parts.tunnel.paths.callable();
    this.#wasConnected = connected;
    this.#deps.onChange();
  }

  /** Tells the coordinator where this machine can be reached, when that has changed. */
  #announceEndpoints(): void {
    if (!this.parts.underlay.refresh()) return;
    this.#channel.setEndpoints(this.parts.underlay.announcement);
    this.parts.tunnel.paths.setOwnEndpoints(this.parts.underlay.endpoints.map(parseEndpoint));
  }

  /** Sessions stay, unless the other ends have given them up while we slept; every way must prove itself anew. */
  #networkChanged({ sleptMs }: { readonly sleptMs: number }): void {
    if (sleptMs > 0) this.parts.tunnel.slept(sleptMs);
    this.parts.filter.expire();
    this.parts.underlay.networkChanged();
    this.#refreshOffers();
    this.#lookAtResolver();
    this.parts.routes.refresh();
    this.parts.exitUse.networkChanged();
    this.#overrides.networkChanged();
    this.#announceEndpoints();
    this.parts.tunnel.paths.networkChanged();
    this.#channel.checkNow();
    this.#deps.onChange();
  }

  /** What they have of this host stays within reach, and leads to no peer of ours; their names are asked of them. */
  #neighboursChanged(): void {
    this.#announceEndpoints();
    this.#follower.applyAgain();
    this.parts.exitUse.networkChanged();
    this.#refreshOffers();
    this.parts.dns.keep();
    this.#lookAtResolver();
  }

  #tellNeighbours(): void {
    const { neighbours, routes, dns } = this.parts;
    const { cidr4, cidr6 } = this.#options.enrolment.network;
    const { service } = dns;
    const names = service && { server: service.server, domain: service.domain, zones: service.zones };
    void neighbours.tell({ reach: [cidr4, cidr6, ...routes.inForce], dns: names ?? null });
  }

  #lookAtResolver(): void {
    void this.parts.dns.refresh();
    void this.parts.hostNames.look();
  }

  #firewallChanged(): void {
    void this.parts.offers.firewallChanged();
    this.parts.exitUse.firewallChanged();
  }

  #refreshOffers(): void {
    this.parts.offers.refresh().catch((failure: unknown) => {
      loggerOf("exit", this.#deps.logger).warn({ err: failure }, "what this machine can offer cannot be seen");
    });
  }

  #tellOfPipes(): void {
    this.#deps.warnings.replaceGroup("pipe ", this.parts.underlay.problems);
  }

  #look(): void {
    this.#announceEndpoints();
    this.#deps.onChange();
  }

  #nameOf(publicKey: string): string {
    return this.parts.view.map?.peers.find((peer) => peer.wireguardKey === publicKey)?.name ?? publicKey;
  }

  async #openUapi(): Promise<void> {
    const { interfaceName, listenPort } = this.parts.tunnel.info;
    const privateKey = this.#options.keys.exportWireguardPrivate();
    const { fwmark } = this.#options.settings;
    const device = () => ({ privateKey, listenPort, fwmark, peers: this.parts.tunnel.peers() });
    const server = await serveUapi(interfaceName, device, this.#deps);
    if (server !== undefined) this.#resources.use(server);
  }
}
