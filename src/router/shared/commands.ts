import type { FilterPreview } from "../../filter/packet-filter.ts";
import type { FilterProgram } from "../../filter/program.ts";
import type { Cidr } from "../../packet/cidr.ts";
import type { Endpoint } from "../../packet/endpoint.ts";
import type { UdpFamily } from "../../transports/udp/udp-transport.ts";
import type { EngineAction, EngineEvent } from "../../wireguard/engine.ts";
import type { Call } from "./call.ts";
import type { AcceptedDestinations } from "./destinations.ts";
import type { Inquiry } from "./inquiry.ts";

/**
 * What the two threads say to each other. Everything is plain data, cloned on the way; keys never are (`KeySlots`).
 * `peer` is the engine's index of the peer.
 */
export type DataCommand =
  | EngineAction
  /** `hasPaths`: a peer of ours, whose paths are chosen here; a stock one's endpoint follows its traffic. */
  | { readonly type: "add-peer"; readonly peer: number; readonly hasPaths: boolean }
  /** Gives the path of this number an address. */
  | { readonly type: "set-path"; readonly peer: number; readonly path: number; readonly endpoint: Endpoint }
  | { readonly type: "remove-path"; readonly peer: number; readonly path: number }
  /** We have other addresses or routes than before: by which address of ours to answer is the kernel's choice again. */
  | { readonly type: "forget-sources" }
  /** Sends by `primary` from now on, and everything by `second` as well; null for neither. */
  | {
      readonly type: "use-paths";
      readonly peer: number;
      readonly primary: number | null;
      readonly second: number | null;
    }
  /**
   * Packets of up to `mtuBytes` go by this path in one piece, and TCP is cut to that; larger ones than `limitBytes` are
   * refused.
   */
  | {
      readonly type: "set-path-mtu";
      readonly peer: number;
      readonly path: number;
      readonly mtuBytes: number;
      readonly limitBytes: number;
    }
  /** Forgets the peer, its prefixes and its staged packets; its keypairs are removed by the engine's own actions. */
  | { readonly type: "remove-peer"; readonly peer: number }
  /**
   * Sends packets to this prefix to the peer, and takes packets from it from that peer only. `byExit`: of what comes from there
   * only answers to what was sent.
   */
  | {
      readonly type: "allow";
      readonly peer: number;
      readonly address: Uint8Array;
      readonly prefixBits: number;
      readonly byExit?: boolean;
    }
  /** Takes the prefix away, unless another peer has got it since. */
  | { readonly type: "disallow"; readonly peer: number; readonly address: Uint8Array; readonly prefixBits: number }
  /** Addresses in these are nobody's, but for narrower prefixes that peers have. */
  | { readonly type: "reserve"; readonly prefixes: readonly Cidr[] }
  /** What comes from peers and is for anybody else is dropped. */
  | { readonly type: "accept-destinations"; readonly destinations: AcceptedDestinations }
  /** Puts the rules of the packet filter in force, and judges connections that there are by them. */
  | { readonly type: "use-filter"; readonly program: FilterProgram }
  /** Our own public key: MAC1 of handshake messages to us is made with it. Undefined: no message is meant for us. */
  | { readonly type: "set-identity"; readonly publicKey: Uint8Array | undefined }
  /** Sends an echo request by this path, null for the one in use; `probe-reply` follows, or nothing. */
  | {
      readonly type: "send-probe";
      readonly peer: number;
      readonly path: number | null;
      readonly id: number;
      readonly sequence: number;
      /** Makes it larger, up to a plaintext of so many bytes; whole: the underlay may not fragment it. */
      readonly padding?: { readonly sizeBytes: number; readonly isWhole: boolean };
    }
  /** Tells the peer by this path where we are reached, and that we send to it just now. */
  | { readonly type: "send-call"; readonly peer: number; readonly path: number; readonly call: Call }
  /** Asks the peer by the path in use, or answers it; a question without a session asks for a handshake. */
  | { readonly type: "send-inquiry"; readonly peer: number; readonly inquiry: Inquiry }
  /** Asks what would become of this packet; `previewed` follows. */
  | { readonly type: "preview"; readonly id: number; readonly bytes: Uint8Array; readonly isOutbound: boolean };

export type DataEvent =
  /** The data thread has its tables and is about to wait for packets; `coldBecause` when its warm-up failed. */
  | { readonly type: "started"; readonly coldBecause?: string }
  | Exclude<EngineEvent, { readonly type: "tick" | "slept" }>
  /** The kernel refuses to cut sends of this family into datagrams; once for each. */
  | { readonly type: "segmentation-lost"; readonly family: UdpFamily }
  /** A STUN message came to the WireGuard socket. */
  | { readonly type: "stun"; readonly bytes: Uint8Array; readonly source: Endpoint }
  | {
      readonly type: "probe-reply";
      readonly peer: number;
      readonly id: number;
      readonly sequence: number;
      readonly rttMs: number;
      readonly endpoint: Endpoint | null;
      /** The path it came by, null when that is none of the peer's. */
      readonly path: number | null;
      /** Of our data messages, how many the peer has had by this path, and how many large ones; null unless it counts. */
      readonly counts: { readonly rxData: number; readonly rxLarge: number } | null;
      /** The peer's own messages go by this path. */
      readonly isTheirPrimary: boolean;
      /** Where our request came from, in the eyes of the peer; null by a pipe. */
      readonly seenFrom: Endpoint | null;
    }
  /** A padded probe was too large for our own host to let it out whole. */
  | {
      readonly type: "probe-refused";
      readonly peer: number;
      readonly path: number;
      readonly id: number;
      readonly sequence: number;
    }
  /** The peer has asked by this path, and says whether it sends by it. */
  | { readonly type: "probe-request"; readonly peer: number; readonly path: number; readonly isTheirPrimary: boolean }
  /** The peer has called us. */
  | { readonly type: "call"; readonly peer: number; readonly call: Call }
  /** The peer has asked, or answered. */
  | { readonly type: "inquiry"; readonly peer: number; readonly inquiry: Inquiry }
  /** Whose the far end of the packet is, and what the filter would say. */
  | {
      readonly type: "previewed";
      readonly id: number;
      readonly peer: number | null;
      readonly decided: FilterPreview | null;
      /** Of what comes from a peer: this host is the one it is for, or forwards it there. */
      readonly isAccepted: boolean;
    }
  /** An authenticated message of a peer with paths came from an address that is on none of them. */
  | { readonly type: "stranger"; readonly peer: number; readonly endpoint: Endpoint }
  /** Packets go to a peer with paths again after a quiet time: its path has to be watched from now on. */
  | { readonly type: "active"; readonly peer: number }
  /** There is something in the ring of the pipes. */
  | { readonly type: "pipe-datagrams" };

/** What goes up unasked, each class with a bound of its own: a flood of one cannot push out another. */
export const UPLINK_CLASSES = ["initiation", "response", "cookie", "stun", "probe", "call", "inquiry"] as const;
export type UplinkClass = (typeof UPLINK_CLASSES)[number];
