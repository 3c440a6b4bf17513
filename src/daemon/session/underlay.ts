import type { CoordinatorServices } from "../../api/control-channel.ts";
import type { NetcheckReply } from "../../api/local.ts";
import type { NetworkMap, RelayInfo } from "../../api/network-map.ts";
import type { Clock } from "../../base/clock.ts";
import { type Logger, loggerOf } from "../../base/logger.ts";
import type { AnnouncedEndpoints } from "../../control/control-channel-types.ts";
import { endpointsToTell, localEndpoints } from "../../control/endpoints.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";
import { defaultGateway } from "../../host/default-gateway.ts";
import type { DialAttempt } from "../../host/dial-race.ts";
import type { UnderlaySockets } from "../../host/underlay/underlay-sockets.ts";
import type { NatReport } from "../../nat/mapping.ts";
import { type PortMapping, portMappingNonce } from "../../nat/port-mapping/port-mapper.ts";
import { PortMappingClient } from "../../nat/port-mapping/port-mapping-client.ts";
import { formatEndpoint, parseEndpoint } from "../../router/tunnel/endpoint-text.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";
import type { Neighbours } from "../neighbours/neighbours.ts";
import { netcheck } from "../netcheck.ts";
import type { Enrolment, Settings } from "../networks/network-state.ts";
import type { PipeLink } from "../pipes/pipe-link.ts";
import { openPipeLinks, type PipeLinks } from "../pipes/pipe-links.ts";
import type { RelayLinkState } from "../pipes/relay-links.ts";
import { NatWatch, type StunHost } from "./nat-watch.ts";
import type { PathPreferences } from "./path-preferences.ts";
import { underlayDial } from "./underlay-dial.ts";

export interface UnderlayOptions {
  readonly enrolment: Enrolment;
  readonly settings: Settings;
  readonly keys: PeerKeys;
  readonly preferences: PathPreferences;
  /** Other networks of this machine: what leads into their tunnels leads to no peer of ours. */
  readonly neighbours: Pick<Neighbours, "all" | "reach">;
}

export interface UnderlayDeps {
  readonly tunnel: Tunnel;
  readonly sockets: UnderlaySockets;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Where the coordinator was reached last. */
interface Coordinator {
  readonly url: string;
  readonly services: CoordinatorServices;
}

/**
 * The ways of this machine outside the mesh, as far as they may be used: where our UDP socket can be reached, and
 * the pipes.
 */
export class Underlay implements AsyncDisposable {
  readonly #options: UnderlayOptions;
  readonly #deps: UnderlayDeps;
  readonly #nat: NatWatch;
  readonly #mapping: PortMappingClient;
  /** As the port mapping was asked for last. */
  #gateway = "";
  #mapped: PortMapping | undefined;
  readonly #links: PipeLinks;
  #endpoints: readonly string[] = [];
  #coordinator: Coordinator | undefined;
  /** Stand-alone ones. */
  #homeRelays: readonly RelayInfo[] = [];
  #onChange: () => void = () => {};
  /** The network has changed since the last look at our addresses. */
  #isElsewhere = false;
  /** The coordinator is to be told something else of a pipe, such as other relays that cannot be reached. */
  #isLinkNews = false;

  private constructor(options: UnderlayOptions, deps: UnderlayDeps, links: PipeLinks) {
    this.#options = options;
    this.#deps = deps;
    this.#links = links;
    const logger = loggerOf("nat", deps.logger);
    this.#nat = new NatWatch({ ...deps, logger, resolve: deps.sockets.resolve, onChange: () => this.#onChange() });
    this.#mapping = new PortMappingClient(
      {
        internalPort: deps.tunnel.info.listenPort,
        nonce: nonceOf(options.keys),
        onMapping: (mapping) => {
          this.#mapped = mapping;
          this.#onChange();
        },
      },
      { ...deps, logger, openUdp: deps.sockets.openUdp, dial: deps.sockets.dial },
    );
  }

  static async open(options: UnderlayOptions, deps: UnderlayDeps): Promise<Underlay> {
    let tellNews = () => {};
    const context = { ...options, ...deps, onNews: () => tellNews() };
    const links = await openPipeLinks((transport) => options.preferences.isUsed(transport), context);
    const underlay = new Underlay(options, deps, links);
    tellNews = () => underlay.#onLinkNews();
    return underlay;
  }

  /** Calls `handler` when something is known that was not: `refresh` tells whether we are reached elsewhere. */
  onChange(handler: () => void): void {
    this.#onChange = handler;
  }

  /** Where peers reach our UDP socket, best first. */
  get endpoints(): readonly string[] {
    return this.#options.preferences.isUsed("udp") ? this.#endpoints : [];
  }

  /** What the coordinator is told: where peers reach our UDP socket and our SSH server, and where they cannot find us. */
  get announcement(): AnnouncedEndpoints {
    return {
      listenPort: this.#deps.tunnel.info.listenPort,
      endpoints: [...this.#endpoints],
      sshPorts: [...(this.#links.ssh?.ports ?? [])],
      udp: this.#options.preferences.isUsed("udp"),
      unreachedRelays: [...(this.#links.relay?.unreached ?? [])],
    };
  }

  /** What the user should know of pipes, in words, by the transport's name. */
  get problems(): ReadonlyMap<string, string> {
    const links = Object.entries<PipeLink>(this.#links);
    return new Map(links.flatMap(([name, { problem }]) => (problem === undefined ? [] : [[name, problem]])));
  }

  /** What came of the endpoints of the latest SSH dial to this peer (WireGuard key). */
  sshAttemptsOf(peer: string): readonly DialAttempt[] {
    return this.#links.ssh?.attemptsOf(peer) ?? [];
  }

  /** Each relay in use: our home relays in order, then others. */
  get relays(): readonly RelayLinkState[] {
    return this.#links.relay?.states ?? [];
  }

  get nat(): NatReport | undefined {
    return this.#nat.report;
  }

  setPeers(map: NetworkMap): void {
    for (const link of this.#eachLink) link.setMap(map);
    this.#homeRelays = map.relays.filter(({ id }) => map.self.relays.includes(id));
    this.#followStun();
  }

  /** The coordinator was reached, and its host offers these services. */
  follow(coordinator: Coordinator): void {
    this.#coordinator = coordinator;
    this.#links.relay?.follow(coordinator.url, coordinator.services.relay);
    this.#followStun();
  }

  /** This machine is in another network than before, or may be: what we know and have of it must prove itself. */
  networkChanged(): void {
    this.#isElsewhere = true;
    for (const link of this.#eachLink) link.checkNow();
  }

  /** Looks at this machine's addresses; true when we are reached elsewhere than before. */
  refresh(): boolean {
    const { enrolment, neighbours } = this.#options;
    const { cidr4, cidr6 } = enrolment.network;
    const { listenPort, interfaceName } = this.#deps.tunnel.info;
    const local = localEndpoints({
      listenPort,
      excludedCidrs: [cidr4, cidr6, ...neighbours.reach],
      excludedInterfaces: [interfaceName, ...neighbours.all.map((one) => one.interface)],
    });
    const addresses = local.map((endpoint) => parseEndpoint(endpoint).address);
    this.#nat.setAddresses(addresses, this.#isElsewhere);
    if (this.#options.preferences.isUsed("udp")) this.#followGateway(this.#isElsewhere);
    this.#isElsewhere = false;
    const mapped = this.#mapped === undefined ? [] : [this.#mapped.external];
    const endpoints = endpointsToTell([...mapped, ...this.#nat.reflexive].map(formatEndpoint), local);
    const isNews = this.#isLinkNews || endpoints.join() !== this.#endpoints.join();
    this.#isLinkNews = false;
    this.#endpoints = endpoints;
    return isNews;
  }

  /** What this network lets through, measured anew. */
  netcheck(signal: AbortSignal): Promise<NetcheckReply> {
    const { tunnel, sockets, clock } = this.#deps;
    const { urls, trust } = this.#options.enrolment;
    const sources = {
      urls,
      trust,
      dial: underlayDial(sockets),
      clock,
      tunnel: () => tunnel.info,
      measureNat: (limit: AbortSignal) => this.#measureNat(limit),
      relays: this.#links.relay,
      portMapping: () => this.#mapped?.protocol,
    };
    return netcheck(sources, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onChange = () => {};
    this.#nat[Symbol.dispose]();
    await this.#mapping.close();
    for (const link of this.#eachLink) await link[Symbol.asyncDispose]();
  }

  get #eachLink(): readonly PipeLink[] {
    return Object.values<PipeLink>(this.#links);
  }

  /** The coordinator, and our own stand-alone relays: they answer as well while it is away. */
  get #stunHosts(): readonly StunHost[] {
    const { url, services } = this.#coordinator ?? {};
    const own = url === undefined ? [] : [{ url, ports: services?.stunPorts ?? [] }];
    return [...own, ...this.#homeRelays.map(({ urls, stunPorts }) => ({ url: urls[0] ?? "", ports: stunPorts }))];
  }

  #followStun(): void {
    if (this.#options.preferences.isUsed("udp")) void this.#nat.follow(this.#stunHosts);
  }

  #onLinkNews(): void {
    this.#isLinkNews = true;
    this.#onChange();
  }

  #followGateway(isElsewhere: boolean): void {
    const network = defaultGateway();
    const gateway = JSON.stringify(network);
    if (gateway === this.#gateway && !isElsewhere) return;
    this.#gateway = gateway;
    this.#mapping.setNetwork(network);
  }

  /** Where UDP is not used, the STUN servers are asked for this once only. */
  async #measureNat(signal: AbortSignal): Promise<NatReport | undefined> {
    if (this.#options.preferences.isUsed("udp")) return this.#nat.askNow(signal);
    await this.#nat.follow(this.#stunHosts);
    const report = await this.#nat.askNow(signal);
    await this.#nat.follow([]);
    return report;
  }
}

/** Wipes its copy of the seed. */
function nonceOf(keys: PeerKeys): Uint8Array {
  const seed = keys.exportMachineSeed();
  try {
    return portMappingNonce(seed);
  } finally {
    seed.fill(0);
  }
}
