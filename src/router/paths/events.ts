import { TRANSPORT_NAMES, type TransportName } from "../../base/transports.ts";

/**
 * What path selection (`PeerPaths`) is told about one peer, and what it asks for. Selection is sans-IO: it has no socket,
 * timer, clock or random source of its own. Times are `Clock.monotonicMs`. Paths are named by small integers that the
 * caller gives out; the two ends number the paths between them independently.
 */
export interface PathCandidate {
  readonly id: number;
  readonly transport: TransportName;
  /** Where it leads, for people. */
  readonly label: string;
}

/** `order`: the transports that may be used at all, best first; `preferred` goes before them all. */
export interface TransportPreference {
  readonly order: readonly TransportName[];
  readonly excluded: readonly TransportName[];
  readonly preferred: TransportName | null;
}

export const NO_PREFERENCE: TransportPreference = { order: TRANSPORT_NAMES, excluded: [], preferred: null };

export type PathEvent =
  /**
   * All candidates there are now. What is known of a path is kept as long as its id, transport and label stay. UDP is
   * open from the start, pipes are closed until `open` says otherwise.
   */
  | { readonly type: "candidates"; readonly candidates: readonly PathCandidate[] }
  /** A pipe has opened or closed. */
  | { readonly type: "open"; readonly id: number; readonly isOpen: boolean }
  /** There is a session, or none any more: without one nothing can be probed. */
  | { readonly type: "session"; readonly isUp: boolean }
  /** An authentic handshake or data message came by this path: the first since the session, or since it is a candidate. */
  | { readonly type: "heard"; readonly id: number }
  /**
   * The answer to the `probe` of this sequence came back by the path that it went by. `rxData` and `rxLarge`: how many of
   * our data messages, and of these how many large ones, the peer has authenticated by this path, doubles included; absent
   * when it does not say.
   */
  | {
      readonly type: "reply";
      readonly id: number;
      readonly sequence: number;
      readonly rttMs: number;
      readonly rxData?: number;
      readonly rxLarge?: number;
      /** The peer's own messages go by this path. Absent when it does not say. */
      readonly isTheirPrimary?: boolean;
    }
  /** The peer has probed us by this path. */
  | { readonly type: "request"; readonly id: number; readonly isTheirPrimary: boolean }
  /**
   * It was found out anew how large messages by this path may be, and from now on they are no larger. `isNarrow`: a packet
   * of IPv6's minimum MTU does not get through by it.
   */
  | { readonly type: "capacity"; readonly id: number; readonly isNarrow: boolean }
  /** Somebody asked for certain transports. */
  | ({ readonly type: "preference" } & TransportPreference)
  /** Our own addresses or routes changed, or the machine slept: nothing proven before counts any more. */
  | { readonly type: "network-changed" }
  /** The peer sends to all our addresses by UDP just now: so do we, since NATs let in who was spoken to. */
  | { readonly type: "called" }
  /** The peer can learn by a call where we are reached, better than before. */
  | { readonly type: "callable" }
  /** Data wants to go after a pause, even though none may have gone yet. */
  | { readonly type: "active" }
  /** Time has come to `nextDeadlineMs()`, or data goes again after a pause: the counters are looked at. */
  | { readonly type: "tick" };

export type PathAction =
  /** Send an echo request by this path. */
  | { readonly type: "probe"; readonly id: number; readonly sequence: number; readonly isPrimary: boolean }
  /** Send by `primary` from now on, and each message by `second` as well: the receiver's replay window drops the double. */
  | { readonly type: "use"; readonly primary: number | null; readonly second: number | null }
  /** A path of this transport is wanted for the next while: SSH is to connect, UDP to be punched by both ends at once. */
  | { readonly type: "want"; readonly transport: TransportName }
  /** The primary has changed; `reason` in words for people. */
  | { readonly type: "decided"; readonly from: number | null; readonly to: number | null; readonly reason: string };

/**
 * What the data thread counts, read whenever a decision is made. "Data" carries a packet: neither probes nor keepalives
 * count. A large message has a plaintext of at least 1000 bytes. Times are 0 for never.
 */
export interface PathCounters {
  txData(id: number): number;
  txLarge(id: number): number;
  rxData(id: number): number;
  /** Of any authentic message. */
  lastReceivedMs(id: number): number;
  lastDataSentMs(): number;
  lastDataReceivedMs(): number;
}
