import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { TlsFiles } from "../web/tls-files.ts";
import type { OpenUpgradeHandler } from "./http/upgrades.ts";
import type { CoordinatorLimits } from "./limits.ts";

/** `auto`: our own CA. `off`: plain HTTP behind a proxy that ends TLS. Files: a certificate that peers trust anyway. */
export type TlsOption = "auto" | "off" | TlsFiles;

/** What `mesh serve` is told by its flags and its file; what is left out has the default named here. */
export interface CoordinatorOptions {
  /** State (database and CA) lives in `<home>/coordinator/`, mode 0700. */
  readonly home: string;
  /** Default: `<home>/coordinator/admin.sock`. */
  readonly adminSocketPath?: string | undefined;
  /** `:8443` (all addresses, both families), `0.0.0.0:8443`, `[::1]:8443`; port 0 takes a free one. Default: `:8443`. */
  readonly listen?: readonly string[] | undefined;
  /**
   * Where to answer STUN over UDP, written as in `listen`. A single address gets the port after it as well. Default: none;
   * `mesh serve` says `:3478`.
   */
  readonly stunListen?: readonly string[] | undefined;
  /** Nobody asked for these addresses: where one is taken, by the coordinator of another network mostly, go without STUN. */
  readonly stunMayFail?: boolean | undefined;
  /** How peers reach us, best first. Default: made of the addresses that we listen on. */
  readonly publicUrls?: readonly string[] | undefined;
  /** Network name, fixed by the first run. Default: `mesh`. */
  readonly name?: string | undefined;
  /** DNS suffix, fixed by the first run. Default: `mesh`. */
  readonly domain?: string | undefined;
  /** Fixed by the first run. Default: `10.86.0.0/16`. */
  readonly networkCidr4?: string | undefined;
  /** Fixed by the first run. Default: a random ULA /48 (RFC 4193). */
  readonly networkCidr6?: string | undefined;
  /** Default: `auto`. */
  readonly tls?: TlsOption | undefined;
  /** Proxies whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Where to serve metrics, `/healthz` and `/readyz` over plain HTTP, written as in `listen`. Default: nowhere. */
  readonly metricsListen?: readonly string[] | undefined;
  /** The machine that it runs on is to be a peer as well: there is a door on loopback for it. Default: no. */
  readonly hostJoins?: boolean | undefined;
}

export interface CoordinatorDeps {
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly limits?: Partial<CoordinatorLimits> | undefined;
  /** WebSocket services of others, by their path. */
  readonly upgrades?: Readonly<Record<string, OpenUpgradeHandler>> | undefined;
}
