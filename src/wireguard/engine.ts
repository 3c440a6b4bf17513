import type { Endpoint } from "../packet/endpoint.ts";

/**
 * What the control-plane engine (`Device`) is told and what it asks for. The engine is sans-IO: it has no socket, timer,
 * clock or random source of its own; the shell that owns it (the router) carries actions to the data plane.
 *
 * `peer` is a small integer, the peer's index in the shared `PeerCells`; `slot` is an index in `KeySlots`. Both are
 * allocated by the engine.
 */
export type EngineEvent =
  /** A handshake initiation, response or cookie reply came in. MAC1 is checked again here. */
  | { readonly type: "datagram"; readonly bytes: Uint8Array; readonly source: Endpoint }
  /** A packet waits and there is no usable session, or the data plane found the current one too old or worn. */
  | { readonly type: "need-handshake"; readonly peer: number }
  /** The first authenticated data message under the responder's `next` keypair: it is `current` from now on. */
  | { readonly type: "promoted"; readonly peer: number; readonly slot: number }
  /** The data plane took an authenticated message from a new source address. */
  | { readonly type: "roamed"; readonly peer: number; readonly endpoint: Endpoint }
  /** The data plane has wiped this slot; it may be used again. */
  | { readonly type: "slot-wiped"; readonly slot: number }
  /** The machine slept for so long, and the clock that we are told stood still meanwhile; those of the peers did not. */
  | { readonly type: "slept"; readonly ms: number }
  /** Time has come to the deadline that `Device.nextDeadlineMs` named (or past it). */
  | { readonly type: "tick" };

export type EngineAction =
  /** Send these bytes from the WireGuard socket to each address. */
  | { readonly type: "send"; readonly bytes: Uint8Array; readonly destinations: readonly Endpoint[] }
  /**
   * Take this keypair: the initiator's becomes `current` at once (and the former `current` → `previous`), the
   * responder's becomes `next` until its first authenticated data message. The keys stand in `KeySlots` already.
   */
  | {
      readonly type: "install-keypair";
      readonly peer: number;
      readonly slot: number;
      readonly localIndex: number;
      readonly remoteIndex: number;
      readonly isInitiator: boolean;
      readonly createdAtMs: number;
    }
  /** Forget the keypair and wipe its slot; answered by `slot-wiped`. */
  | { readonly type: "remove-keypair"; readonly peer: number; readonly slot: number }
  /** Send an empty data message under the current keypair. */
  | { readonly type: "send-keepalive"; readonly peer: number }
  /** The initiator's session is up: send what is staged, or a keepalive when nothing is (it confirms the keys). */
  | { readonly type: "send-staged"; readonly peer: number }
  /** Nobody answered for Rekey-Attempt-Time: give the staged packets up. */
  | { readonly type: "drop-staged"; readonly peer: number }
  /** The peer's UDP address is now this one (a handshake message from it was authenticated). */
  | { readonly type: "set-endpoint"; readonly peer: number; readonly endpoint: Endpoint };

/** What configures a peer of the engine. */
export interface EnginePeerConfig {
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; all-zero when there is none. */
  readonly presharedKey: Uint8Array;
  /** Where to send a first initiation; it goes to all of them. */
  readonly candidates: readonly Endpoint[];
  /** Seconds, 0 for off. */
  readonly persistentKeepaliveSeconds: number;
  /**
   * The peer sends one initiation by several paths at once. Each copy within Rekey-Timeout gets the same response by the
   * path it came by, since nobody knows yet which of them work in both directions. Absent: only the first copy is
   * answered, as the whitepaper has it.
   */
  readonly answersCopies?: boolean;
}
