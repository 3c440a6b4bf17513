import type { NetworkInfo } from "../../api/network-map.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import { advertisableRoutes } from "../../exit/advertised-route.ts";
import type { CoordinatorLimits } from "../limits.ts";
import type { Distribution } from "../maps/distribution.ts";
import type { MapBuilder } from "../maps/map-builder.ts";
import { advertisedEndpoints, atPorts } from "../peers/endpoints.ts";
import type { Peer, Registry } from "../registry.ts";
import { Calls } from "./calls.ts";
import type { Channel, MemberMessage } from "./channel.ts";
import type { Membership } from "./membership.ts";

export interface PeerMembershipDeps {
  readonly network: NetworkInfo;
  readonly registry: Registry;
  readonly maps: MapBuilder;
  readonly distribution: Distribution;
  readonly limits: CoordinatorLimits;
  readonly clock: Clock;
}

/** Peers are told their network map, and tell where they can be reached, what they offer, and whom they call. */
export class PeerMembership implements Membership {
  readonly #deps: PeerMembershipDeps;
  readonly #calls: Calls;
  /** By the peer's id. */
  readonly #channels = new Map<number, Channel>();

  constructor(deps: PeerMembershipDeps) {
    this.#deps = deps;
    this.#calls = new Calls({ ...deps, channelOf: (id) => this.#channels.get(id) });
  }

  find(machineKey: string): Peer | undefined {
    return this.#deps.registry.byMachineKey(machineKey);
  }

  subscribe(channel: Channel, mapVersion: number | null): () => void {
    const { distribution, maps } = this.#deps;
    const id = this.find(channel.machineKey)?.id;
    if (id === undefined) return () => undefined;
    this.#channels.set(id, channel);
    const unsubscribe = distribution.subscribe(channel, maps.viewOf(id), mapVersion);
    return () => {
      if (this.#channels.get(id) === channel) this.#channels.delete(id);
      unsubscribe();
    };
  }

  setPresence(machineKey: string, isOnline: boolean): void {
    const { registry, clock } = this.#deps;
    const id = this.find(machineKey)?.id;
    if (id !== undefined) registry.setPresence(id, isOnline, clock.wallMs());
  }

  take({ machineKey, remoteAddress }: Channel, message: MemberMessage): void {
    const id = this.find(machineKey)?.id;
    if (id === undefined) return;
    switch (message.type) {
      case "endpoints": {
        const { network, registry } = this.#deps;
        const { listenPort, endpoints, sshPorts, udp, unreachedRelays } = message;
        const known = advertisedEndpoints(network, endpoints, remoteAddress, listenPort);
        registry.setEndpoints(id, udp ? known : [], atPorts(known, sshPorts));
        registry.setUnreachedRelays(id, unreachedRelays);
        return;
      }
      case "offers": {
        const { network, registry } = this.#deps;
        const routes = advertisableRoutes(message.routes, [network.cidr4, network.cidr6]);
        registry.setOffers(id, [...new Set(message.exit)].sort(), routes);
        return;
      }
      case "call":
        this.#calls.place(id, message.peers);
        return;
      default:
        throw new MeshError("bad-request", `no peer sends ${message.type}`);
    }
  }
}
