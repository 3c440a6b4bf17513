import { isDeepStrictEqual } from "node:util";
import type { RouteView } from "../../api/local-exit.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import type { Logger } from "../../base/logger.ts";
import { routeRefusal } from "../../exit/accepted-route.ts";
import type { HostChanges } from "../../host/changes/host-changes.ts";
import { identityOf } from "../../host/interface-setup.ts";
import { parseCidr } from "../../packet/cidr.ts";
import { isReachableAddress } from "../../packet/reachable-address.ts";
import type { Warnings } from "../warnings.ts";

interface AcceptedRoutesOptions {
  readonly isAccepting: boolean;
  readonly interfaceName: string;
  /** The ranges of the mesh. */
  readonly ranges: readonly string[];
  /** What is reached through other meshes, at each moment. */
  readonly elsewhere: () => readonly string[];
}

interface AcceptedRoutesDeps {
  readonly changes: HostChanges;
  readonly warnings: Warnings;
  readonly logger: Logger;
}

interface PeerRoute {
  /** WireGuard key. */
  readonly publicKey: string;
  readonly peer: string;
  readonly cidr: string;
}

/** Networks behind peers that this machine reaches through them: routes of the host, and prefixes of the tunnel. */
export class AcceptedRoutes {
  readonly #options: AcceptedRoutesOptions;
  readonly #deps: AcceptedRoutesDeps;
  #isAccepting: boolean;
  #offered: readonly PeerRoute[] = [];
  #inForce: readonly PeerRoute[] = [];
  #refusals: ReadonlyMap<string, string> = new Map();
  #onChange: () => void = () => undefined;
  #isWorking = false;
  #isDirty = false;

  constructor(options: AcceptedRoutesOptions, deps: AcceptedRoutesDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#isAccepting = options.isAccepting;
  }

  /** Or leaves them aside from now on. */
  accept(isAccepting: boolean): void {
    this.#isAccepting = isAccepting;
    this.refresh();
  }

  /** Calls `listener` when others than before are in force. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Of a peer (WireGuard key): those in force. */
  of(publicKey: string): readonly string[] {
    return this.#inForce.filter((route) => route.publicKey === publicKey).map(({ cidr }) => cidr);
  }

  /** `ADDRESS/BITS` of all networks that are reached through peers. */
  get inForce(): readonly string[] {
    return this.#inForce.map(({ cidr }) => cidr);
  }

  /**
   * Without the addresses of peers that are reached through the mesh itself, which would be carried by itself, or through
   * another one of this machine: two that carried each other would go round for ever.
   */
  outside<Map extends NetworkMap>(map: Map): Map {
    const inner = [...this.inForce, ...this.#options.elsewhere()].map(parseCidr);
    if (inner.length === 0) return map;
    const isOutside = (endpoint: string) => {
      const host = endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, "");
      return isReachableAddress(host, inner);
    };
    const peers = map.peers.map((peer) => ({
      ...peer,
      endpoints: peer.endpoints.filter(isOutside),
      sshEndpoints: peer.sshEndpoints.filter(isOutside),
    }));
    return { ...map, peers };
  }

  /** What peers offer by this map. */
  setNetwork({ peers }: Pick<NetworkMap, "peers">): void {
    const offered = peers.flatMap(({ name, wireguardKey, routes }) =>
      routes.map((cidr) => ({ publicKey: wireguardKey, peer: name, cidr })),
    );
    if (isDeepStrictEqual(offered, this.#offered)) return;
    this.#offered = offered;
    this.refresh();
  }

  /** Looks anew at the host's networks. */
  refresh(): void {
    const isIdle = !this.#isAccepting || this.#offered.length === 0;
    if (isIdle && this.#inForce.length === 0) return;
    this.#isDirty = true;
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#workWhileDirty()
      .catch((failure: unknown) => {
        this.#deps.logger.warn({ err: failure }, "the networks behind peers cannot be reached");
        this.#deps.warnings.set("routes", "networks behind peers cannot be reached; see the log");
      })
      .finally(() => {
        this.#isWorking = false;
      });
  }

  view(): RouteView[] {
    return this.#offered.map((route) => {
      const inForce = this.#inForce.some(({ publicKey, cidr }) => publicKey === route.publicKey && cidr === route.cidr);
      return { cidr: route.cidr, peer: route.peer, inForce, detail: this.#detail(route, inForce) };
    });
  }

  async #workWhileDirty(): Promise<void> {
    while (this.#isDirty) {
      this.#isDirty = false;
      await this.#settle(this.#isAccepting ? this.#offered : []);
    }
  }

  async #settle(offered: readonly PeerRoute[]): Promise<void> {
    const { interfaceName, ranges } = this.#options;
    const { changes, warnings } = this.#deps;
    const { ipRoute } = changes.tools;
    const isOther = (one: { readonly interfaceName: string | undefined }) => one.interfaceName !== interfaceName;
    const host = {
      addresses: (await ipRoute.addresses()).filter(isOther),
      routes: (await ipRoute.routes()).filter(isOther),
    };
    const refusals = new Map<string, string>();
    for (const { cidr } of offered) {
      const refusal = routeRefusal(cidr, ranges, host);
      if (refusal !== undefined) refusals.set(cidr, refusal);
    }
    const wanted = offered.filter(({ cidr }) => !refusals.has(cidr));
    const device = await identityOf(interfaceName, changes);
    const routes = new Set(wanted.map(({ cidr }) => cidr));
    for (const { owner, change } of changes.list()) {
      if (owner === "subnet-routes" && change.kind === "route" && !routes.has(change.destination))
        await changes.takeBack(owner, change);
    }
    for (const destination of routes) await changes.route("subnet-routes", { destination, interface: device });
    this.#refusals = refusals;
    const isNews = !isDeepStrictEqual(wanted, this.#inForce);
    this.#inForce = wanted;
    const lines = offered.flatMap(({ peer, cidr }): [string, string][] => {
      const refusal = refusals.get(cidr);
      return refusal === undefined ? [] : [[cidr, `the network ${cidr} behind ${peer} is not reached: ${refusal}`]];
    });
    warnings.clear("routes");
    warnings.replaceGroup("route ", new Map(lines));
    if (isNews) this.#onChange();
  }

  #detail({ cidr }: PeerRoute, inForce: boolean): string {
    if (!this.#isAccepting) return "not accepted here: mesh set accept_routes=true";
    return this.#refusals.get(cidr) ?? (inForce ? "accepted" : "not in force yet");
  }
}
