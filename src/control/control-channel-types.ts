import type { CoordinatorMessage, CoordinatorServices, EndpointsMessage } from "../api/control-channel.ts";
import type { NetworkMap } from "../api/network-map.ts";
import type { Clock } from "../base/clock.ts";
import type { MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Dial } from "../host/tcp.ts";
import type { PeerKeys } from "./peer-keys.ts";
import type { UsableTrust } from "./trust.ts";

export interface ControlChannelOptions {
  /** Normalised coordinator URLs, tried in turn. */
  readonly urls: readonly string[];
  readonly trust: UsableTrust;
  readonly networkId: string;
  readonly keys: PeerKeys;
}

export interface ControlChannelDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly socketFactory: Dial;
}

/** Where the peer can be reached. */
export type AnnouncedEndpoints = Omit<EndpointsMessage, "type">;

/** A peer that sends to us, and where it is. */
export type IncomingCall = Omit<Extract<CoordinatorMessage, { readonly type: "call" }>, "type">;

export interface ControlChannelHandlers {
  /** The whole map after every change, as the coordinator sent it: unverified. */
  readonly onMap: (map: NetworkMap) => void;
  /** As the coordinator sent it: unverified. */
  readonly onCall: (call: IncomingCall) => void;
  /** Connected, disconnected or refused. */
  readonly onStateChange: (state: ControlChannelState) => void;
}

export interface ControlChannelState {
  /** The one in use or tried last. */
  readonly url: string;
  readonly connected: boolean;
  /** `Clock.wallMs` of the last message or pong, null before the first. */
  readonly lastContactAtMs: number | null;
  /** Why there is no connection. */
  readonly error: MeshError | null;
  /** Our address as the coordinator sees it. */
  readonly observedAddress: string | null;
  /** What else its host offered when we were connected last. */
  readonly services: CoordinatorServices;
}
