import type { NetworkInfo } from "../../api/network-map.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { Distribution } from "../distribution.ts";
import { advertisedEndpoints, atPorts } from "../endpoints.ts";
import type { MapBuilder } from "../map-builder.ts";
import type { Peer, Registry } from "../registry.ts";
import type { Channel, MemberMessage } from "./channel.ts";
import type { Membership } from "./membership.ts";

export interface PeerMembershipDeps {
  readonly network: NetworkInfo;
  readonly registry: Registry;
  readonly maps: MapBuilder;
  readonly distribution: Distribution;
  readonly clock: Clock;
}

/** Peers are told their network map, and tell where they can be reached. */
export class PeerMembership implements Membership {
  readonly #deps: PeerMembershipDeps;

  constructor(deps: PeerMembershipDeps) {
    this.#deps = deps;
  }

  find(machineKey: string): Peer | undefined {
    return this.#deps.registry.byMachineKey(machineKey);
  }

  subscribe(channel: Channel, mapVersion: number | null): () => void {
    const { distribution, maps } = this.#deps;
    const id = this.find(channel.machineKey)?.id;
    return id === undefined ? () => undefined : distribution.subscribe(channel, maps.viewOf(id), mapVersion);
  }

  setPresence(machineKey: string, isOnline: boolean): void {
    const { registry, clock } = this.#deps;
    const id = this.find(machineKey)?.id;
    if (id !== undefined) registry.setPresence(id, isOnline, clock.wallMs());
  }

  take({ machineKey, remoteAddress }: Channel, message: MemberMessage): void {
    if (message.type !== "endpoints") throw new MeshError("bad-request", `no peer sends ${message.type}`);
    const { network, registry } = this.#deps;
    const { listenPort, endpoints, sshPorts, udp } = message;
    const id = this.find(machineKey)?.id;
    if (id === undefined) return;
    const known = advertisedEndpoints(network, endpoints, remoteAddress, listenPort);
    registry.setEndpoints(id, udp ? known : [], atPorts(known, sshPorts));
  }
}
