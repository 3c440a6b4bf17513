import type { NetworkMap } from "../../api/network-map.ts";
import type { IpFamily } from "../../api/primitives.ts";
import type { Clock } from "../../base/clock.ts";
import type { DisposeStack } from "../../base/dispose.ts";
import type { MeshError } from "../../base/errors.ts";
import { type Logger, loggerOf } from "../../base/logger.ts";
import { MapCache } from "../../control/map-cache.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";
import type { InterfaceIdentity } from "../../host/changes/host-change.ts";
import { HostChanges } from "../../host/changes/host-changes.ts";
import { HostFirewall } from "../../host/firewall/host-firewall.ts";
import { configureInterface, identityOf, type NoIpv6Reason, requireUsableHost } from "../../host/interface-setup.ts";
import { IpRoute } from "../../host/ip-route.ts";
import { HostResolver } from "../../host/resolver/host-resolver.ts";
import { type UnderlaySockets, underlaySockets } from "../../host/underlay/underlay-sockets.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";
import type { AeadProviderName } from "../../wireguard/aead/provider.ts";
import { callAsAdmin } from "../admin-call.ts";
import { DnsKeeper } from "../dns/dns-keeper.ts";
import { HostNames } from "../dns/host-names.ts";
import { resolverOwner, serversThatAsk } from "../dns/resolver-owner.ts";
import type { ExitState } from "../dns/upstream-plan.ts";
import { AcceptedRoutes } from "../exit/accepted-routes.ts";
import { ExitUse } from "../exit/exit-use.ts";
import { Offers } from "../exit/offers.ts";
import { Explainer } from "../explain/explainer.ts";
import { FilterKeeper } from "../filter/filter-keeper.ts";
import { Neighbours } from "../neighbours/neighbours.ts";
import type { NetworkPaths } from "../networks/home.ts";
import { type Enrolment, NetworkState, type Settings } from "../networks/network-state.ts";
import type { Warnings } from "../warnings.ts";
import { NetworkView } from "./network-view.ts";
import { openTunnel } from "./open-tunnel.ts";
import { OwnLink } from "./own-link.ts";
import { PathPreferences } from "./path-preferences.ts";
import { Underlay } from "./underlay.ts";
import { underlayDial } from "./underlay-dial.ts";

const NO_IPV6_TEXT: Readonly<Record<NoIpv6Reason, string>> = {
  "disabled-on-host": "this host has IPv6 switched off",
  "mtu-below-1280": "the MTU is below 1280",
};

export interface SessionOptions {
  readonly paths: NetworkPaths;
  readonly enrolment: Enrolment;
  readonly settings: Settings;
  readonly keys: PeerKeys;
  readonly aeadProvider: AeadProviderName | "auto";
}

export interface SessionPartsDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly warnings: Warnings;
  /** The data plane is broken beyond repair. */
  readonly onFatal: (failure: MeshError) => void;
}

/** What a session is made of, before any of it speaks to another. */
export interface SessionParts {
  readonly changes: HostChanges;
  readonly tunnel: Tunnel;
  readonly ownLink: OwnLink;
  /** Other networks of this machine. */
  readonly neighbours: Neighbours;
  readonly view: NetworkView;
  readonly preferences: PathPreferences;
  readonly filter: FilterKeeper;
  readonly offers: Offers;
  readonly routes: AcceptedRoutes;
  readonly exitUse: ExitUse;
  readonly device: InterfaceIdentity;
  /** Those in which this machine has an address inside the mesh. */
  readonly families: readonly IpFamily[];
  readonly sockets: UnderlaySockets;
  readonly underlay: Underlay;
  readonly dns: DnsKeeper;
  readonly hostNames: HostNames;
  readonly explainer: Explainer;
}

/** As a name server sees it. */
function exitState(exitUse: ExitUse, map: NetworkMap | undefined): ExitState {
  if (!exitUse.isAsked) return undefined;
  const { using } = exitUse.view();
  return map?.peers.find(({ name }) => name === using) ?? "awaited";
}

/** Opens them in order; what is to be given back goes to `resources`, which the caller closes when this fails. */
export async function openSessionParts(
  { paths, enrolment, settings, keys, aeadProvider }: SessionOptions,
  { logger, clock, warnings, onFatal }: SessionPartsDeps,
  resources: DisposeStack,
): Promise<SessionParts> {
  const log = {
    control: loggerOf("control", logger),
    dns: loggerOf("dns", logger),
    exit: loggerOf("exit", logger),
    host: loggerOf("host", logger),
    router: loggerOf("router", logger),
  };
  const view = await NetworkView.open(
    { networkId: enrolment.network.id, wireguardKey: keys.wireguardKey, machineKey: keys.machineKey },
    { cache: new MapCache(paths.directory, log.control), warnings, logger: log.control },
  );
  resources.defer(() => view.flush());
  const state = new NetworkState(paths.directory);
  const preferences = await PathPreferences.open({ file: state.preferences, settings });
  warnings.replaceGroup("paths ", preferences.problems());

  const { cidr4, cidr6 } = enrolment.network;
  const ranges = [cidr4, cidr6];
  const neighbours = resources.use(
    await Neighbours.open(
      paths,
      { interface: settings.interface, reach: ranges, exit: settings.exitNodes.length > 0 },
      { logger: log.host },
    ),
  );
  const networkOf = (interfaceName: string) => neighbours.networkOf(interfaceName);
  const host = { interfaceName: settings.interface, mtuBytes: settings.mtu, ranges, networkOf };
  const changes = resources.use(await HostChanges.open(paths.journalFile, { logger: log.host }));
  await changes.takeBackLeftovers();
  // Before all else: from now on nothing leaves around an exit, whatever fails.
  const exitUse = await ExitUse.open(
    { settings, network: paths.network, meshRanges: ranges, neighbours },
    { changes, clock, logger: log.exit, warnings },
  );
  await requireUsableHost(host, changes);
  const tunnel = resources.use(
    await openTunnel({ enrolment, settings, keys, aeadProvider }, { logger: log.router, clock }),
  );
  tunnel.onFatal(onFatal);
  warnings.replaceGroup("offload ", new Map());
  tunnel.onOffloadLost(({ offload, family, reason }) => {
    const line = `UDP over ${family} goes without ${offload}, which costs throughput: ${reason}`;
    warnings.set(`offload ${offload} ${family}`, line);
  });
  // In force before there are peers.
  const filter = resources.use(
    await FilterKeeper.open(
      { file: state.filter, settings: settings.filter },
      { clock, cells: tunnel.filterCells, apply: (policy) => tunnel.useFilter(policy) },
      view.map ?? { self: enrolment.self, peers: [], cidrs: [], filterRules: [] },
    ),
  );
  // Before the tunnel goes: routes are taken back while their interface is still there.
  resources.defer(async () => void (await changes.takeBackLeftovers()));
  warnings.clear("ipv6");
  warnings.clear("address");
  const { ip4, ip6 } = view.map?.self ?? enrolment.self;
  const noIpv6 = await configureInterface(host, [ip4, ip6], changes);
  const device = await identityOf(settings.interface, changes);
  resources.use(exitUse);
  if (noIpv6 !== undefined) warnings.set("ipv6", `no IPv6 in the mesh here: ${NO_IPV6_TEXT[noIpv6]}`);

  const ownLink = new OwnLink(settings.interface, changes, { warnings, logger: log.host });
  const sockets = underlaySockets(settings.fwmark);
  const underlay = resources.use(
    await Underlay.open({ enrolment, settings, keys, preferences, neighbours }, { tunnel, sockets, clock, logger }),
  );
  const offers = resources.use(
    await Offers.open(
      {
        settings,
        interfaceName: settings.interface,
        self: view.map?.self ?? enrolment.self,
        addresses: noIpv6 === undefined ? [ip4, ip6] : [ip4],
        ranges,
        elsewhere: () => neighbours.reach,
      },
      { changes, tunnel, warnings, logger: log.exit },
    ),
  );
  const routes = new AcceptedRoutes(
    {
      isAccepting: settings.acceptRoutes,
      interfaceName: settings.interface,
      ranges,
      elsewhere: () => neighbours.reach,
    },
    { changes, warnings, logger: log.exit },
  );
  // Before our addresses go.
  const dns = resources.use(
    await DnsKeeper.open(
      {
        enabled: settings.dns,
        interfaceName: settings.interface,
        network: enrolment.network,
        self: view.map?.self ?? enrolment.self,
      },
      {
        sockets,
        clock,
        logger: log.dns,
        warnings,
        exit: () => exitState(exitUse, view.map),
        neighbours: () => neighbours.all,
        servesPeers: () => offers.isExit,
      },
    ),
  );
  // Before our answers end.
  const hostNames = resources.use(
    new HostNames(device, {
      resolver: new HostResolver(paths.network, {
        changes,
        owner: (network) => resolverOwner(network, enrolment.network.domain, neighbours),
        askedBy: () => serversThatAsk(enrolment.network.domain, neighbours),
      }),
      service: () => dns.service,
      warnings,
      logger: log.dns,
    }),
  );
  await hostNames.keep();
  const explainer = new Explainer({
    tunnel,
    filter,
    firewall: new HostFirewall(),
    ipRoute: new IpRoute(),
    sysctls: changes.tools.sysctls,
    exitUse,
    routes,
    offers,
    map: () => view.map,
    admin: (call) => callAsAdmin(enrolment, keys, underlayDial(sockets), call),
  });
  return {
    changes,
    tunnel,
    ownLink,
    neighbours,
    view,
    preferences,
    filter,
    offers,
    routes,
    exitUse,
    device,
    families: noIpv6 === undefined ? ["ipv4", "ipv6"] : ["ipv4"],
    sockets,
    underlay,
    dns,
    hostNames,
    explainer,
  };
}
