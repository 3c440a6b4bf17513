import type { Duplex } from "node:stream";
import type { NetworkMap, RelayInfo } from "../../api/network-map.ts";
import { COORDINATOR_RELAY_ID, MAX_HOME_RELAYS, relayServerName } from "../../api/relay.ts";
import type { Clock } from "../../base/clock.ts";
import { asMeshError, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { classifyConnectionFailure } from "../../control/connection-errors.ts";
import { isLocalAddress } from "../../control/endpoints.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";
import { openSecureSocket, type Security } from "../../control/secure-socket.ts";
import type { UsableTrust } from "../../control/trust.ts";
import type { Dial } from "../../host/tcp.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";
import type { RelayClientState } from "../../transports/relay/relay-client.ts";
import { RelayWay } from "../../transports/relay/relay-way.ts";
import { underlayDial } from "../session/underlay-dial.ts";
import type { PipeLink, PipeLinkContext } from "./pipe-link.ts";

/** A home relay to which there was no connection for so long is told to the coordinator, which names another one. */
const UNREACHED_MS = 60_000;
const CHECK_MS = 15_000;

export interface RelayLinksOptions {
  readonly networkId: string;
  readonly trust: UsableTrust;
  readonly keys: PeerKeys;
}

export interface RelayLinksDeps {
  readonly tunnel: Tunnel;
  readonly socketFactory: Dial;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Other home relays than before cannot be reached. */
  readonly onUnreached: () => void;
}

/** How one relay stands, for people. */
export interface RelayLinkState extends RelayClientState {
  /** `coordinator` for the coordinator's own. */
  readonly name: string;
  /** We are found there. */
  readonly isHome: boolean;
}

interface Link {
  readonly name: string;
  /** All that the connection depends on, in one word. */
  readonly target: string;
  readonly way: RelayWay;
  /** Of ours, at our end of the connection made last; undefined where it cannot be told. */
  localAddress: string | undefined;
  /** When it was connected last, or became a home relay. */
  seenMs: number;
}

/**
 * The tunnel's ways by the network's relays: our home relays, where others find us, and those where others are found. The
 * two ends of a pair use the same ones: those of both.
 */
export class RelayLinks implements PipeLink {
  readonly #options: RelayLinksOptions;
  readonly #deps: RelayLinksDeps;
  readonly #links = new Map<string, Link>();
  readonly #timer: NodeJS.Timeout;
  /** Where the coordinator's relay is; undefined while it offers none. */
  #ownUrl: string | undefined;
  #homes: readonly string[] = [];
  #relaysOf: ReadonlyMap<string, readonly string[]> = new Map();
  #infos: ReadonlyMap<string, RelayInfo> = new Map();
  #unreached: readonly string[] = [];

  constructor(options: RelayLinksOptions, deps: RelayLinksDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#timer = setInterval(() => this.#review(), CHECK_MS);
    this.#timer.unref();
  }

  static open({ enrolment, keys, sockets, onNews, ...context }: PipeLinkContext): RelayLinks {
    return new RelayLinks(
      { networkId: enrolment.network.id, trust: enrolment.trust, keys },
      { ...context, socketFactory: underlayDial(sockets), onUnreached: onNews },
    );
  }

  /** The coordinator was reached at `url`, and says whether there is a relay as well. */
  follow(url: string, isOffered: boolean): void {
    this.#ownUrl = isOffered ? url : undefined;
    this.#apply();
  }

  setMap(map: NetworkMap): void {
    this.#infos = new Map(map.relays.map((relay) => [relay.id, relay]));
    this.#homes = map.self.relays.slice(0, MAX_HOME_RELAYS);
    this.#relaysOf = new Map(map.peers.map(({ wireguardKey, relays }) => [wireguardKey, relays]));
    this.#apply();
  }

  /** Of our home relays in order, then of the others to which there is a connection, or was to be. */
  get states(): readonly RelayLinkState[] {
    const ordered = [...this.#homes, ...[...this.#links.keys()].filter((id) => !this.#homes.includes(id))];
    return ordered.flatMap((id) => {
      const link = this.#links.get(id);
      const state = link?.way.state;
      return link === undefined || state === undefined ? [] : [{ ...state, name: link.name, isHome: link.way.isHome }];
    });
  }

  /** Ids of the home relays that cannot be reached. */
  get unreached(): readonly string[] {
    return this.#unreached;
  }

  /** The host's network has changed: every connection must prove that it lives, and what was not reached may be now. */
  checkNow(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const link of this.#links.values()) {
      link.way.checkNow({ isLost: link.localAddress !== undefined && !isLocalAddress(link.localAddress) });
      link.seenMs = nowMs;
    }
    this.#setUnreached([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(links.map(({ way }) => way.close()));
  }

  #apply(): void {
    const wanted = new Set([...this.#homes, ...[...this.#relaysOf.values()].flat()]);
    for (const [id, link] of this.#links) {
      if (!wanted.has(id) || link.target !== JSON.stringify(this.#targetOf(id))) this.#drop(id, link);
    }
    for (const id of wanted) this.#setUp(id);
  }

  #setUp(id: string): void {
    const target = this.#targetOf(id);
    if (target === undefined) return;
    const link = this.#links.get(id) ?? this.#open(id, target);
    const isHome = this.#homes.includes(id);
    if (isHome && !link.way.isHome) link.seenMs = this.#deps.clock.monotonicMs();
    link.way.setHome(isHome);
  }

  #open(id: string, target: Target): Link {
    const { tunnel, clock, logger } = this.#deps;
    const { networkId, keys } = this.#options;
    const [url = "", ...otherUrls] = target.urls;
    const connect = (signal: AbortSignal, at: string) => this.#connect(id, at, target.security, signal);
    const way = tunnel.paths.attach(
      (handlers) =>
        new RelayWay(
          { url, otherUrls, networkId, relayId: id, keys, leadsTo: (peer) => this.#leadsTo(id, peer) },
          { ...handlers, onStateChange: () => tunnel.paths.pipesChanged() },
          { connect, clock, logger },
        ),
    );
    const link = {
      name: this.#infos.get(id)?.name ?? id,
      target: JSON.stringify(target),
      way,
      localAddress: undefined,
      seenMs: clock.monotonicMs(),
    };
    this.#links.set(id, link);
    return link;
  }

  #drop(id: string, { way }: Link): void {
    this.#links.delete(id);
    this.#deps.tunnel.paths.detach(way);
    way.close().catch((failure: unknown) => {
      this.#deps.logger.debug({ err: failure, relay: id }, "the relay could not be left in peace");
    });
  }

  #leadsTo(id: string, peer: string): boolean {
    const theirs = this.#relaysOf.get(peer);
    return theirs !== undefined && (this.#homes.includes(id) || theirs.includes(id));
  }

  #targetOf(id: string): Target | undefined {
    const { trust } = this.#options;
    if (id === COORDINATOR_RELAY_ID) {
      return this.#ownUrl === undefined ? undefined : { urls: [this.#ownUrl], security: trust };
    }
    const info = this.#infos.get(id);
    if (info === undefined) return undefined;
    const { urls, caPem } = info;
    const security: Security =
      caPem === null ? { kind: "system" } : { kind: "named", caPem, serverName: relayServerName(id) };
    return { urls, security };
  }

  async #connect(id: string, url: string, security: Security, signal: AbortSignal): Promise<Duplex> {
    try {
      const used: Security = url.startsWith("http:") ? { kind: "plain" } : security;
      const socket = await openSecureSocket(url, used, this.#deps.socketFactory, signal);
      const link = this.#links.get(id);
      if (link !== undefined) link.localAddress = socket.localAddress;
      return socket;
    } catch (failure) {
      const classified = classifyConnectionFailure(failure, url, security.kind === "pinned-ca");
      const error = classified instanceof MeshError ? classified : asMeshError(failure);
      if (error.code !== "coordinator-unreachable") throw error;
      throw new MeshError("relay-unreachable", error.message, { cause: error });
    }
  }

  #review(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    // What is no relay any more is nobody's concern.
    const unreached = new Set(this.#unreached.filter((id) => id === COORDINATOR_RELAY_ID || this.#infos.has(id)));
    for (const [id, link] of this.#links) {
      if (link.way.state?.connected === true) link.seenMs = nowMs;
      const isLost = link.way.isHome && nowMs - link.seenMs >= UNREACHED_MS;
      if (isLost) unreached.add(id);
      else if (link.way.state?.connected === true) unreached.delete(id);
    }
    this.#setUnreached([...unreached]);
  }

  #setUnreached(unreached: readonly string[]): void {
    if (unreached.join() === this.#unreached.join()) return;
    this.#unreached = unreached;
    this.#deps.onUnreached();
  }
}

interface Target {
  /** Tried in order. */
  readonly urls: readonly string[];
  readonly security: Security;
}
