import type { Verdict } from "./verdict.ts";

/** What a protocol counts as: each has rules of its own. */
export const ProtocolClass = { tcp: 0, udp: 1, icmp: 2, other: 3 } as const;
export type ProtocolClass = (typeof ProtocolClass)[keyof typeof ProtocolClass];

/** Who may start connections, by peer. */
export const MayStart = { both: 0, self: 1, peer: 2 } as const;
export type MayStart = (typeof MayStart)[keyof typeof MayStart];

/** Sets of rules by the address that stands in a packet: that of the longest prefix holds, else `otherwise`. */
export interface PrefixSets {
  readonly prefixes: readonly { readonly address: Uint8Array; readonly prefixBits: number; readonly set: number }[];
  readonly otherwise: number;
}

/**
 * The rules of one direction and one class of protocols. For each property of a connection there are sets of rules, one bit
 * a rule: those that this value of the property suits. The rules that a connection suits are what its sets have in common,
 * and the lowest of them decides, since rules that deny come first. That takes a few machine words for a thousand rules.
 */
export interface TableProgram {
  /** 32-bit words of one set. */
  readonly wordsPerSet: number;
  /** All sets; they are named by their number in here. */
  readonly sets: Uint32Array;
  /** Set by port, 65,536 of them; null where no rule names ports: `anyPort` then. */
  readonly ports: Uint32Array | null;
  readonly anyPort: number;
  /** Set by peer, as far as rules name peers; `anyPeer` beyond. */
  readonly peers: Uint32Array;
  readonly anyPeer: number;
  readonly sources: PrefixSets;
  readonly destinations: PrefixSets;
  /** By rule: what it says, and the cell that counts for it. */
  readonly verdicts: Uint8Array;
  readonly slots: Uint32Array;
}

export interface DirectionProgram {
  /** By `ProtocolClass`; null without rules. */
  readonly tables: readonly (TableProgram | null)[];
  readonly otherwise: Verdict;
}

/** A filter policy made ready for the packet path: plain data, so that it can be sent to the data thread. */
export interface FilterProgram {
  /** Nothing is ever refused: packets need not be looked at. */
  readonly isOpen: boolean;
  readonly in: DirectionProgram;
  readonly out: DirectionProgram;
  /** `MayStart` by peer, as far as there are peers with less than both. */
  readonly mayStart: Uint8Array;
}
