import type { Duplex } from "node:stream";
import { COORDINATOR_RELAY_ID } from "../api/relay.ts";
import type { Clock } from "../base/clock.ts";
import { asMeshError, MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { classifyConnectionFailure } from "../control/connection-errors.ts";
import { isLocalAddress } from "../control/endpoints.ts";
import type { PeerKeys } from "../control/peer-keys.ts";
import { openSecureSocket, type Security } from "../control/secure-socket.ts";
import type { UsableTrust } from "../control/trust.ts";
import type { Dial } from "../host/tcp.ts";
import type { Tunnel } from "../router/tunnel.ts";
import { RelayClient, type RelayClientState } from "../transports/relay/relay-client.ts";

export interface RelayLinkOptions {
  readonly networkId: string;
  readonly trust: UsableTrust;
  readonly keys: PeerKeys;
}

export interface RelayLinkDeps {
  readonly tunnel: Tunnel;
  readonly socketFactory: Dial;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The tunnel's way by the relay that the coordinator's host offers: one connection, from the first time the coordinator
 * tells of it until the end; it follows the coordinator to another URL.
 */
export class RelayLink implements AsyncDisposable {
  readonly #options: RelayLinkOptions;
  readonly #deps: RelayLinkDeps;
  #client: { readonly url: string; readonly relay: RelayClient } | undefined;
  /** Of ours, at our end of the connection made last; undefined where it cannot be told. */
  #localAddress: string | undefined;

  constructor(options: RelayLinkOptions, deps: RelayLinkDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** The coordinator was reached at `url`, and says whether there is a relay as well. */
  follow(url: string, isOffered: boolean): void {
    if (this.#client?.url === url && isOffered) return;
    this.#close();
    if (!isOffered) return;
    const { tunnel, clock, logger } = this.#deps;
    const { networkId, trust, keys } = this.#options;
    const security: Security = url.startsWith("http:") ? { kind: "plain" } : trust;
    const connect = (signal: AbortSignal) => this.#connect(url, security, signal);
    const relay = tunnel.paths.attach(
      (handlers) =>
        new RelayClient(
          { url, networkId, relayId: COORDINATOR_RELAY_ID, keys },
          { ...handlers, onStateChange: () => tunnel.paths.pipesChanged() },
          { connect, clock, logger },
        ),
    );
    this.#client = { url, relay };
  }

  /** Of each relay in use, in order. */
  get states(): readonly RelayClientState[] {
    return this.#client === undefined ? [] : [this.#client.relay.state];
  }

  /** The host's network has changed: the connection must prove that it lives. */
  checkNow(): void {
    this.#client?.relay.checkNow({ isLost: this.#localAddress !== undefined && !isLocalAddress(this.#localAddress) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.relay.close();
  }

  #close(): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#client = undefined;
    this.#deps.tunnel.paths.detach(client.relay);
    client.relay.close().catch((failure: unknown) => {
      this.#deps.logger.debug({ err: failure, url: client.url }, "the relay could not be left in peace");
    });
  }

  async #connect(url: string, security: Security, signal: AbortSignal): Promise<Duplex> {
    try {
      const socket = await openSecureSocket(url, security, this.#deps.socketFactory, signal);
      this.#localAddress = socket.localAddress;
      return socket;
    } catch (failure) {
      const classified = classifyConnectionFailure(failure, url, this.#options.trust.kind === "pinned-ca");
      throw classified instanceof MeshError ? classified : asMeshError(failure);
    }
  }
}
