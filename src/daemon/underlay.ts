import type { CoordinatorServices } from "../api/control-channel.ts";
import type { NetcheckReply } from "../api/local.ts";
import type { NetworkMap, RelayInfo } from "../api/network-map.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { AnnouncedEndpoints } from "../control/control-channel-types.ts";
import { endpointsToTell, localEndpoints } from "../control/endpoints.ts";
import type { PeerKeys } from "../control/peer-keys.ts";
import { defaultGateway } from "../host/default-gateway.ts";
import type { DialAttempt } from "../host/dial-race.ts";
import type { UnderlaySockets } from "../host/underlay/underlay-sockets.ts";
import type { NatReport } from "../nat/mapping.ts";
import { type PortMapping, portMappingNonce } from "../nat/port-mapping/port-mapper.ts";
import { PortMappingClient } from "../nat/port-mapping/port-mapping-client.ts";
import { formatEndpoint, parseEndpoint } from "../router/endpoint-text.ts";
import type { Tunnel } from "../router/tunnel.ts";
import { NatWatch, type StunHost } from "./nat-watch.ts";
import { netcheck } from "./netcheck.ts";
import type { Enrolment, Settings } from "./network-state.ts";
import type { PathPreferences } from "./path-preferences.ts";
import { type RelayLinkState, RelayLinks } from "./relay-links.ts";
import { SshLink } from "./ssh-link.ts";
import { underlayDial } from "./underlay-dial.ts";

export interface UnderlayOptions {
  readonly enrolment: Enrolment;
  readonly settings: Settings;
  readonly keys: PeerKeys;
  readonly preferences: PathPreferences;
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
 * The ways of this machine outside the mesh, as far as they may be used: where our UDP socket can be reached, the relay, and
 * SSH between the peers themselves.
 */
export class Underlay implements AsyncDisposable {
  readonly #options: UnderlayOptions;
  readonly #deps: UnderlayDeps;
  readonly #nat: NatWatch;
  readonly #relays: RelayLinks;
  readonly #mapping: PortMappingClient;
  /** As the port mapping was asked for last. */
  #gateway = "";
  #mapped: PortMapping | undefined;
  /** Undefined where SSH is not to be used. */
  readonly #ssh: SshLink | undefined;
  #endpoints: readonly string[] = [];
  #coordinator: Coordinator | undefined;
  /** Stand-alone ones. */
  #homeRelays: readonly RelayInfo[] = [];
  #onChange: () => void = () => {};
  /** The network has changed since the last look at our addresses. */
  #isElsewhere = false;
  /** Other relays cannot be reached than the coordinator was told. */
  #areRelaysNews = false;

  private constructor(options: UnderlayOptions, deps: UnderlayDeps, ssh: SshLink | undefined) {
    const { enrolment, keys } = options;
    this.#options = options;
    this.#deps = deps;
    this.#ssh = ssh;
    this.#nat = new NatWatch({ ...deps, resolve: deps.sockets.resolve, onChange: () => this.#onChange() });
    this.#mapping = new PortMappingClient(
      {
        internalPort: deps.tunnel.info.listenPort,
        nonce: nonceOf(keys),
        onMapping: (mapping) => {
          this.#mapped = mapping;
          this.#onChange();
        },
      },
      { ...deps, openUdp: deps.sockets.openUdp, dial: deps.sockets.dial },
    );
    this.#relays = new RelayLinks(
      { networkId: enrolment.network.id, trust: enrolment.trust, keys },
      { ...deps, socketFactory: underlayDial(deps.sockets), onUnreached: () => this.#onUnreached() },
    );
  }

  static async open(options: UnderlayOptions, deps: UnderlayDeps): Promise<Underlay> {
    const { keys, settings, preferences } = options;
    const ssh = preferences.isUsed("ssh")
      ? await SshLink.open({ keys, ports: settings.sshPorts, jump: settings.sshJump }, deps)
      : undefined;
    return new Underlay(options, deps, ssh);
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
      sshPorts: [...(this.#ssh?.ports ?? [])],
      udp: this.#options.preferences.isUsed("udp"),
      unreachedRelays: [...this.#relays.unreached],
    };
  }

  /** What the user should know of SSH, in words. */
  get sshProblem(): string | undefined {
    return this.#ssh?.problem;
  }

  /** What came of the endpoints of the latest SSH dial to this peer (WireGuard key). */
  sshAttemptsOf(peer: string): readonly DialAttempt[] {
    return this.#ssh?.attemptsOf(peer) ?? [];
  }

  /** Each relay in use: our home relays in order, then others. */
  get relays(): readonly RelayLinkState[] {
    return this.#relays.states;
  }

  get nat(): NatReport | undefined {
    return this.#nat.report;
  }

  setPeers(map: NetworkMap): void {
    this.#ssh?.setPeers(map);
    if (this.#options.preferences.isUsed("relay")) this.#relays.setMap(map);
    this.#homeRelays = map.relays.filter(({ id }) => map.self.relays.includes(id));
    this.#followStun();
  }

  /** The coordinator was reached, and its host offers these services. */
  follow(coordinator: Coordinator): void {
    const { preferences } = this.#options;
    const { url, services } = coordinator;
    this.#coordinator = coordinator;
    this.#relays.follow(url, services.relay && preferences.isUsed("relay"));
    this.#followStun();
  }

  /** This machine is in another network than before, or may be: what we know and have of it must prove itself. */
  networkChanged(): void {
    this.#isElsewhere = true;
    this.#relays.checkNow();
    this.#ssh?.checkNow();
  }

  /** Looks at this machine's addresses; true when we are reached elsewhere than before. */
  refresh(): boolean {
    const { network } = this.#options.enrolment;
    const { listenPort, interfaceName } = this.#deps.tunnel.info;
    const local = localEndpoints({
      listenPort,
      excludedCidrs: [network.cidr4, network.cidr6],
      excludedInterfaces: [interfaceName],
    });
    const addresses = local.map((endpoint) => parseEndpoint(endpoint).address);
    this.#nat.setAddresses(addresses, this.#isElsewhere);
    if (this.#options.preferences.isUsed("udp")) this.#followGateway(this.#isElsewhere);
    this.#isElsewhere = false;
    const mapped = this.#mapped === undefined ? [] : [this.#mapped.external];
    const endpoints = endpointsToTell([...mapped, ...this.#nat.reflexive].map(formatEndpoint), local);
    const isNews = this.#areRelaysNews || endpoints.join() !== this.#endpoints.join();
    this.#areRelaysNews = false;
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
      relays: this.#relays,
      portMapping: () => this.#mapped?.protocol,
    };
    return netcheck(sources, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onChange = () => {};
    this.#nat[Symbol.dispose]();
    await this.#mapping.close();
    await this.#relays[Symbol.asyncDispose]();
    await this.#ssh?.[Symbol.asyncDispose]();
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

  #onUnreached(): void {
    this.#areRelaysNews = true;
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
