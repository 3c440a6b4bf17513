import type { JoinToken } from "../../api/join-token.ts";
import type { RelayLimits } from "../../relay/limits.ts";
import type { TlsFiles } from "../../web/tls-files.ts";
import type { Home } from "../networks/home.ts";

/** What a stand-alone relay is to do, out of flags, environment and file. */
export interface RelayPlan {
  readonly home: Home;
  /** Coordinator URLs, normalised; they override those in the token and on disk. */
  readonly servers: readonly string[] | undefined;
  readonly token: { readonly text: string; readonly fields: JoinToken } | undefined;
  readonly name: string | undefined;
  readonly listen: readonly string[];
  /** None: no STUN. */
  readonly stunListen: readonly string[];
  /** Where to serve metrics; none: nowhere. */
  readonly metricsListen: readonly string[];
  /** The STUN addresses are only the usual ones: where a port is taken there is no STUN. */
  readonly stunMayFail: boolean;
  /** How peers reach the relay; made of the addresses of this machine where nothing is given. */
  readonly publicUrls: readonly string[];
  /** `auto`: a certificate of the coordinator's CA; `off`: plain HTTP behind a proxy that ends TLS; or public files. */
  readonly tls: "auto" | "off" | TlsFiles;
  readonly trustedProxies: readonly string[];
  readonly limits: Partial<RelayLimits>;
}
