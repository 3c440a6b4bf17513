import type { NetworkMap } from "../../api/network-map.ts";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";
import type { UnderlaySockets } from "../../host/underlay/underlay-sockets.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";
import type { Enrolment, Settings } from "../networks/network-state.ts";

/** What a daemon has for its pipes to be opened with. */
export interface PipeLinkContext {
  readonly enrolment: Enrolment;
  readonly settings: Settings;
  readonly keys: PeerKeys;
  /** Whose `paths` the pipe is attached to. */
  readonly tunnel: Tunnel;
  readonly sockets: UnderlaySockets;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The coordinator is to be told something else of the link than before. */
  readonly onNews: () => void;
}

/** A pipe transport in the daemon: what stands between the network's map and a `PipeTransport`, or several of them. */
export interface PipeLink extends AsyncDisposable {
  /** Who the peers are, and where each is found. */
  setMap(map: NetworkMap): void;
  /** This machine may be in another network than before: every connection must prove that it lives. */
  checkNow(): void;
  /** What the user should know although the rest works, in words. */
  readonly problem?: string | undefined;
}
