import type { MapPeer, NetworkMap } from "../../api/network-map.ts";
import type { VerifiedMap } from "../../control/map-verifier.ts";
import type { NamesForPeers } from "../dns/names-for-peers.ts";
import type { OverrideEndpoints } from "./override-endpoints.ts";
import { followOwnEntry } from "./own-entry.ts";
import { peersToTunnel } from "./peers-to-tunnel.ts";
import type { SessionOptions, SessionParts, SessionPartsDeps } from "./session-parts.ts";

export interface MapFollowers extends SessionParts {
  readonly overrides: OverrideEndpoints;
  readonly namesForPeers: NamesForPeers;
}

/** Has every part of a session follow the map in force. */
export class MapFollower {
  readonly #options: SessionOptions;
  readonly #deps: SessionPartsDeps;
  readonly #parts: MapFollowers;
  #isFresh = false;
  /** The coordinator tells us of every change of the map in force. */
  #isCurrent = false;

  constructor(options: SessionOptions, deps: SessionPartsDeps, parts: MapFollowers) {
    this.#options = options;
    this.#deps = deps;
    this.#parts = parts;
  }

  /** Whether the coordinator has sent a map since the start. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** @throws MeshError `map-refused` */
  take(map: NetworkMap): void {
    const { view } = this.#parts;
    const before = view.map?.self ?? this.#options.enrolment.self;
    const verified = view.take(map, this.#deps.clock.wallMs());
    this.#apply(verified);
    this.#isFresh = true;
    this.#isCurrent = true;
    followOwnEntry(before, verified.self, this.#options, this.#deps);
  }

  /** Once more the map in force, for what else follows from it. */
  applyAgain(): void {
    const { map } = this.#parts.view;
    if (map !== undefined) this.#apply(map);
  }

  channelChanged(isConnected: boolean): void {
    this.#isCurrent &&= isConnected;
  }

  /** As of the coordinator's last sign of life: after a sleep the connection only seems to be there. */
  keepPins(lastContactAtMs: number | null): void {
    if (this.#isCurrent && lastContactAtMs !== null) this.#parts.view.seenAgain(lastContactAtMs);
  }

  #apply(verified: VerifiedMap): void {
    const { tunnel, underlay, overrides, filter, offers, dns, namesForPeers, routes, exitUse, preferences } =
      this.#parts;
    const map = routes.outside(verified);
    this.#followNames(map);
    underlay.setPeers(map);
    overrides.setPeers(map);
    filter.setNetwork(map);
    offers.setNetwork(map);
    dns.setNetwork(map);
    namesForPeers.keep();
    routes.setNetwork(map);
    exitUse.setNetwork(map);
    const context = {
      overridesOf: ({ overrideEndpoint }: MapPeer) => overrides.endpointsOf(overrideEndpoint),
      preferenceOf: (peer: string) => preferences.effective(peer),
      routesOf: ({ wireguardKey }: MapPeer) => routes.of(wireguardKey),
      exitIpsOf: ({ wireguardKey }: MapPeer) => exitUse.carriedBy(wireguardKey),
    };
    tunnel.configurePeers(peersToTunnel(map, context));
  }

  /** What was asked of the paths to a peer is asked under the name that it has now. */
  #followNames({ peers }: VerifiedMap): void {
    const { preferences } = this.#parts;
    const saved = preferences.follow(peers);
    if (saved === undefined) return;
    this.#deps.warnings.replaceGroup("paths ", preferences.problems());
    saved.catch((failure: unknown) => {
      this.#deps.logger.warn({ err: failure }, "the names for which paths are preferred cannot be kept on disk");
    });
  }
}
