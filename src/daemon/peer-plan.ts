import type { JoinToken } from "../api/join-token.ts";
import type { PeerPreference } from "../api/path-preference.ts";
import type { FilterSettings } from "../api/peer-config.ts";
import type { SshJump } from "../api/ssh-jump.ts";
import type { LogLevel } from "../base/log-levels.ts";
import type { TransportName } from "../base/transports.ts";
import type { Home } from "./networks/home.ts";

/** Everything that `mesh join` or `mesh up` was told, parsed and checked; what was left out is undefined. */
export interface PeerPlan {
  readonly home: Home;
  readonly network: string | undefined;
  /** `join` registers; `up` takes the registration from disk. */
  readonly mode: "join" | "up";
  /** Normalised; they override those in the token and on disk. */
  readonly servers: readonly string[] | undefined;
  readonly token: { readonly text: string; readonly fields: JoinToken } | undefined;
  readonly name: string | undefined;
  readonly interface: string | undefined;
  readonly listenPort: number | undefined;
  /** TCP ports of our SSH server; none: we only dial. */
  readonly sshPorts: number[] | undefined;
  /** Null: no jump host any more. */
  readonly sshJump: SshJump | null | undefined;
  /** 0 for none. */
  readonly fwmark: number | undefined;
  readonly mtu: number | undefined;
  /** What may be used at all, best first. */
  readonly transports: TransportName[] | undefined;
  /** What the configuration file asks for, by peer name. */
  readonly peerPreferences: Record<string, PeerPreference> | undefined;
  /** What the configuration file says of the packet filter. */
  readonly filter: FilterSettings | undefined;
  readonly allowExitTraffic: boolean | undefined;
  /** Networks behind this machine. */
  readonly advertiseRoutes: string[] | undefined;
  readonly snatRoutes: boolean | undefined;
  readonly acceptRoutes: boolean | undefined;
  /** Exits to use, in order; none: no exit. */
  readonly exitNodes: string[] | undefined;
  readonly exitAllowLan: boolean | undefined;
  readonly dns: boolean | undefined;
  /** Null: no group any more. */
  readonly localGroup: string | null | undefined;
  /** Where to serve metrics; none: nowhere. */
  readonly metricsListen: string[] | undefined;
  /** By subsystem. */
  readonly logLevels: Record<string, LogLevel> | undefined;
  /** What commands have set (`mesh set` and its like) is dropped. */
  readonly reset: boolean;
  /** A service stays, `stopped`, after `mesh down`; any other daemon ends. */
  readonly isService: boolean;
}

/** What a start tells as it goes on; `peer` comes once for each of the first peers. */
export type ProgressEvent =
  | { readonly event: "coordinator"; readonly url: string; readonly network: string }
  | {
      readonly event: "registered";
      readonly name: string;
      readonly ip4: string;
      readonly ip6: string;
      readonly resumed: boolean;
    }
  | { readonly event: "coordinator-away"; readonly reason: string }
  | {
      readonly event: "interface";
      readonly interface: string;
      readonly listenPort: number;
      readonly aeadProvider: string;
    }
  | {
      readonly event: "running";
      readonly network: string;
      readonly name: string;
      readonly ip4: string;
      readonly ip6: string;
    }
  | {
      readonly event: "peer";
      readonly name: string;
      readonly ip4: string;
      readonly path: { readonly transport: string; readonly endpoint: string; readonly rttMs: number } | null;
    }
  /** All of the first peers have been told of: nothing follows. */
  | { readonly event: "settled" }
  | { readonly event: "warning"; readonly warning: string };

export type Progress = (event: ProgressEvent) => void;
