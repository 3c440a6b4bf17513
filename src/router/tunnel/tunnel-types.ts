import type { TransportName } from "../../base/transports.ts";
import type { Endpoint, PipeEndpoint } from "../../packet/endpoint.ts";
import type { AeadProviderName } from "../../wireguard/aead/provider.ts";
import type { WireGuardTimings } from "../../wireguard/constants.ts";
import type { HandshakeDrop } from "../../wireguard/handshakes.ts";
import type { TransportPreference } from "../paths/events.ts";
import type { DropReason } from "../shared/drop-reasons.ts";

export interface TunnelOptions {
  readonly interfaceName: string;
  /** The largest packet inside the tunnel, bytes. */
  readonly mtu: number;
  /** UDP, both families; 0 for any free port. */
  readonly listenPort: number;
  /** X25519, 32 bytes; stays the caller's to wipe. */
  readonly privateKey: Uint8Array;
  /** Firewall mark of everything that the tunnel sends; 0 or absent for none. */
  readonly fwmark?: number;
  readonly aeadProvider?: "auto" | AeadProviderName;
  /** `ADDRESS/BITS` of the mesh itself: no path leads to an address in there. */
  readonly ranges?: readonly string[];
  /** Deviations from the whitepaper's timings, for tests that have no three minutes. */
  readonly timings?: Partial<WireGuardTimings>;
}

export interface TunnelPeerConfig {
  /** Base64. */
  readonly publicKey: string;
  /** 32 bytes. */
  readonly presharedKey?: Uint8Array;
  /** `ADDRESS/BITS`; the latest peer to name a prefix has it. */
  readonly allowedIps: readonly string[];
  /**
   * Likewise, of an exit in use: `0.0.0.0/0`, `::/0`. Only answers to what went there come back; the mesh's own ranges and those
   * that are not the internet are never among it.
   */
  readonly exitIps?: readonly string[];
  /** `ADDRESS:PORT` or `[V6]:PORT`, candidates in order; a first handshake goes to all of them. */
  readonly endpoints: readonly string[];
  /** 0 for off. */
  readonly persistentKeepaliveSeconds: number;
  /**
   * One of ours: several paths at once, chosen by path selection, over pipes as well. Without, a stock WireGuard peer: UDP
   * alone, and its endpoint follows where it answers from.
   */
  readonly hasPaths?: boolean;
  /** Which transports may carry it, and which one rather than another; absent: all of them, in the usual order. */
  readonly preference?: TransportPreference;
  /** Pipes to it, further candidates of a peer with paths. */
  readonly pipes?: readonly PipeEndpoint[];
}

export interface TunnelInfo {
  readonly interfaceName: string;
  readonly listenPort: number;
  readonly mtu: number;
  readonly aeadProvider: AeadProviderName;
  /** Why it is this one, in words for people. */
  readonly aeadWhy: string;
  readonly offloads: {
    readonly tcp4: boolean;
    readonly tcp6: boolean;
    readonly udp: boolean;
    readonly checksum: boolean;
    readonly udpGso: boolean;
    readonly udpGro: boolean;
  };
  /** Whether the socket can reach other hosts in this family: a host without an address of it speaks it to nobody. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** An offload that was there at the start and turned out not to work. */
export interface OffloadLoss {
  readonly offload: keyof TunnelInfo["offloads"];
  /** Of the socket. */
  readonly family: "IPv4" | "IPv6";
  /** In words for people. */
  readonly reason: string;
}

export interface TunnelPath {
  readonly transport: TransportName;
  readonly endpoint: string;
  readonly rttMs: number | null;
  /** The largest packet inside the tunnel that goes by it in one piece; null until that is known. */
  readonly mtuBytes: number | null;
  /** The peer has answered by it of late, and it may be used. */
  readonly isUsable: boolean;
  /** How it stands, in words for people. */
  readonly detail: string;
}

/** How a path to a peer was looked for: each candidate, what came back, and why it won or lost. Times: Unix milliseconds. */
export interface TunnelPathAttempt {
  readonly cause: string;
  readonly startedAtMs: number;
  /** Null while it runs. */
  readonly endedAtMs: number | null;
  readonly candidates: readonly {
    readonly transport: TransportName;
    readonly endpoint: string;
    readonly triedAtMs: number | null;
    readonly probes: number;
    readonly heardAtMs: number | null;
    readonly answeredAtMs: number | null;
    readonly rttMs: number | null;
    readonly isWinner: boolean;
    readonly outcome: string;
  }[];
}

/** Path selection has chosen another path to a peer, or none. */
export interface PathDecision {
  readonly publicKey: string;
  readonly path: { readonly transport: TransportName; readonly endpoint: string } | null;
  /** In words for people. */
  readonly reason: string;
}

/** It was found out what a path carries. */
export interface PathMtuFinding {
  readonly publicKey: string;
  readonly path: { readonly transport: TransportName; readonly endpoint: string };
  readonly mtuBytes: number;
  /** In words for people. */
  readonly reason: string;
}

/** What path selection says of a peer. */
export interface TunnelPathsStatus {
  /** The path in use; null while none works. */
  readonly current: (TunnelPath & { readonly sinceMs: number; readonly reason: string }) | null;
  /** A second one that carries everything as well, and why. */
  readonly second: (TunnelPath & { readonly reason: string }) | null;
  readonly all: readonly TunnelPath[];
  readonly attempts: readonly TunnelPathAttempt[];
  /** How often another path was chosen than before, and how often none was left. */
  readonly changes: number;
  readonly losses: number;
}

export interface TunnelPeerStatus {
  readonly publicKey: string;
  /** Where it answered from last. */
  readonly endpoint: string | null;
  readonly allowedIps: readonly string[];
  /** Unix milliseconds; null for never. */
  readonly lastHandshakeAtMs: number | null;
  /** Sessions completed with it. */
  readonly handshakes: number;
  readonly sessionUp: boolean;
  /** Authentic messages on the wire: data, keepalives and, as `wg` counts them, handshakes. */
  readonly rxBytes: number;
  readonly txBytes: number;
  /** Data messages and keepalives alone. */
  readonly rxMessages: number;
  readonly txMessages: number;
  /** Packets to it, and messages from it, that came to nothing; only reasons for which there were some. */
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  readonly persistentKeepaliveSeconds: number;
  /** Undefined for a stock WireGuard peer. */
  readonly paths: TunnelPathsStatus | undefined;
}

/**
 * Handshake messages are admitted by the data thread and judged by the engine, each with reasons of its own; what a pipe
 * brings is lost on the way to the data thread when that is too slow to take it.
 */
export type TunnelDropReason = DropReason | `handshake-${HandshakeDrop}` | "in-pipe-full";

/** Where an endpoint leads, in words for people. */
export type DescribePath = (endpoint: Endpoint | null) => {
  readonly transport: TransportName;
  readonly endpoint: string;
};

export interface PingOptions {
  readonly timeoutMs: number;
}

export interface PingReply {
  readonly rttMs: number;
  readonly transport: TransportName;
  readonly endpoint: string;
}
