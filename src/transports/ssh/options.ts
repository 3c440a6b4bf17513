import type { Duplex } from "node:stream";
import type { Algorithms } from "ssh2";
import type { SocketTarget } from "../../host/tcp.ts";
import type { PipeStats } from "../pipe/pipe-transport.ts";
import { MACHINE_KEY_TYPE } from "./machine-key.ts";

/** The only thing that our SSH server offers. What it carries is in `frame-queue.ts`. */
export const SUBSYSTEM = "mesh-datagram@1";
/** The user name that we log in with. Our server takes any: who somebody is, the key says. */
export const SSH_USER = "mesh";
/** Behind `SSH-2.0-`. */
export const SSH_IDENT = "mesh";

/** Between peers: one suite, of which every OpenSSH since 6.5 has a member of each kind. All ciphers are AEADs. */
export const ALGORITHMS: Algorithms = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org"],
  serverHostKey: [MACHINE_KEY_TYPE],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"],
  compress: ["none"],
};

/**
 * ssh2 ends a connection when so many of its keepalives went unanswered; the answer may wait behind megabytes of data.
 * So it only asks, and whether anything was heard is our own business (`SshLink.tick`).
 */
export const KEEPALIVE_COUNT_NEVER = Number.MAX_SAFE_INTEGER;

/** One of the peers whom we may see, as the network map has it. Keys in base64. */
export interface SshPeer {
  /** X25519: the name of the peer towards the other layers. */
  readonly publicKey: string;
  /** Ed25519. */
  readonly machineKey: string;
  /** `ADDRESS:PORT` or `[V6]:PORT` of its SSH server, best first. */
  readonly sshEndpoints: readonly string[];
}

/** What SSH runs over: a TCP socket, or a channel through a jump host. */
export interface Underlay extends Duplex {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Of a TCP socket. */
  readonly localAddress?: string | undefined;
}

/** A stock SSH server through which every connection to a peer goes. */
export interface JumpOptions extends SocketTarget {
  readonly user: string;
  /** A private key without a passphrase, in any form that OpenSSH writes. */
  readonly identityFile: string;
  /** In OpenSSH's form, hashed names included. */
  readonly knownHostsFile: string;
}

export interface SshTimings {
  /** Between two questions whether the other end is there, while nothing else comes. */
  readonly keepaliveMs: number;
  /** Of silence, or of no byte getting away, after which a connection is given up. */
  readonly deadAfterMs: number;
  /** Without `want` and without a datagram after which a connection is closed by who dialled it. */
  readonly idleMs: number;
  /** From TCP connect to the open subsystem, at either end. */
  readonly handshakeMs: number;
  /** Between the starts of two attempts at one peer (RFC 8305 §8: Connection Attempt Delay). */
  readonly staggerMs: number;
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** How long a failed log-in counts against its source. */
  readonly penaltyMs: number;
  readonly rekeyAfterMs: number;
}

export interface SshLimits {
  /** Connections without an open subsystem, in all; the oldest goes for a new one. */
  readonly pending: number;
  /** … and of one IPv4 address or one IPv6 /64. */
  readonly pendingPerSource: number;
  /** What waits for one slow connection. */
  readonly queueBytes: number;
  /** Both directions together (RFC 4253 §9). */
  readonly rekeyAfterBytes: number;
}

export const SSH_TIMINGS: SshTimings = {
  keepaliveMs: 5_000,
  deadAfterMs: 15_000,
  idleMs: 90_000,
  handshakeMs: 10_000,
  staggerMs: 250,
  firstRetryMs: 500,
  lastRetryMs: 60_000,
  penaltyMs: 5_000,
  rekeyAfterMs: 3_600_000,
};

export const SSH_LIMITS: SshLimits = {
  pending: 64,
  pendingPerSource: 16,
  // A quarter of a second at 8 Mbit/s.
  queueBytes: 256 * 1024,
  rekeyAfterBytes: 2 ** 30,
};

export interface SshStats extends PipeStats {
  /** Key exchanges after the first of a connection. */
  rekeys: number;
  /** Connections that we accepted and that never came to an open subsystem. */
  refusedConnections: number;
}
