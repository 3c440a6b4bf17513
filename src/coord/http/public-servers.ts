import type { ListenAddress } from "../../api/listen-address.ts";
import type { Logger } from "../../base/logger.ts";
import type { ClientAddresses } from "../../web/client-address.ts";
import type { ServerLimits } from "../../web/graceful-server.ts";
import { Listeners, type TlsMaterial } from "../../web/listeners.ts";
import type { Authority } from "../certificates/ca.ts";
import type { ControlServer } from "../control/control-server.ts";
import type { RequestTimings } from "../metrics/request-timings.ts";
import { createApp, type Handler } from "./app.ts";
import type { AdminRoute } from "./authorize.ts";
import { type IdentifyDeps, identify } from "./identify.ts";
import { type PublicRoutesDeps, publicRoutes } from "./public-routes.ts";
import { pathOf, type UpgradeHandler } from "./upgrades.ts";

interface PublicServersDeps extends IdentifyDeps, Omit<PublicRoutesDeps, "authority"> {
  readonly clientAddresses: ClientAddresses;
  readonly forAdmins: Record<AdminRoute, Handler>;
  readonly control: ControlServer;
  /** WebSocket services of others, by their path. */
  readonly upgrades: ReadonlyMap<string, UpgradeHandler>;
  readonly limits: ServerLimits & { readonly bodyBytes: number };
  readonly timings: RequestTimings;
  readonly logger: Logger;
}

interface ServedAs {
  /** Undefined: plain HTTP. */
  readonly tls: TlsMaterial | undefined;
  /** Whose certificate that is, where it is our own CA's. */
  readonly authority: Authority | undefined;
}

/** The coordinator's API towards the network, at as many places as are opened. */
export class PublicServers {
  readonly #deps: PublicServersDeps;
  readonly #opened: Listeners[] = [];

  constructor(deps: PublicServersDeps) {
    this.#deps = deps;
  }

  /** @throws MeshError `port-in-use`, `not-permitted`, `bad-config` */
  async open(listen: readonly ListenAddress[], { tls, authority }: ServedAs): Promise<Listeners> {
    const { forAdmins, clientAddresses, control, upgrades, limits, timings, logger } = this.#deps;
    const app = createApp({
      handlers: { ...publicRoutes({ ...this.#deps, authority }), ...forAdmins },
      callerOf: (request, body) => identify(request, clientAddresses.of(request), body, this.#deps),
      bodyBytes: limits.bodyBytes,
      timings,
      logger,
    });
    const listeners = await Listeners.open({
      listen,
      tls,
      limits,
      logger,
      onRequest: app.callback(),
      onUpgrade: (request, socket, head) => {
        const other = upgrades.get(pathOf(request));
        if (other === undefined) control.upgrade(request, socket, head);
        else other.handleUpgrade(request, socket, head, clientAddresses.of(request));
      },
    });
    this.#opened.push(listeners);
    return listeners;
  }

  /** All at once: a server is closed only when its WebSockets are. */
  async close(): Promise<void> {
    const { control, upgrades } = this.#deps;
    await Promise.all([...this.#opened, control, ...upgrades.values()].map((service) => service.close()));
  }
}
