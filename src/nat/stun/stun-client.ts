import { isIPv4 } from "node:net";
import { type Endpoint, isSameRemote, type UdpEndpoint } from "../../packet/endpoint.ts";
import { classifyMapping, type LocalSocket, type NatReport } from "../mapping.ts";
import { decodeBinding, TRANSACTION_ID_BYTES } from "./message.ts";
import { StunTransaction } from "./stun-transaction.ts";

export type StunEvent =
  /** The servers to ask, from now on; asked at once when they are others than before. */
  | { readonly type: "servers"; readonly servers: readonly UdpEndpoint[] }
  /** Addresses, routes or the socket are others than before, or the machine has slept: all is asked anew. */
  | { readonly type: "network-changed"; readonly local: LocalSocket }
  /** Somebody wants to know how it is now. */
  | { readonly type: "measure" }
  /** A STUN message came to the socket. */
  | { readonly type: "datagram"; readonly bytes: Uint8Array; readonly source: Endpoint }
  /** Time has come to the deadline that `nextDeadlineMs` named (or past it). */
  | { readonly type: "tick" };

export type StunAction =
  /** Send these bytes from the socket that is measured. */
  | { readonly type: "send"; readonly bytes: Uint8Array; readonly destinations: readonly UdpEndpoint[] }
  /** This server sees us here: a candidate already, while others have not answered. */
  | { readonly type: "reflexive"; readonly server: UdpEndpoint; readonly endpoint: UdpEndpoint }
  /** Every server has answered, or has had its time to; or there is none to ask. */
  | { readonly type: "measured"; readonly report: StunReport };

export interface StunReport {
  readonly nat: NatReport;
  readonly servers: readonly ServerReport[];
}

export interface ServerReport {
  readonly server: UdpEndpoint;
  /** `refused`: it answers, with an error. */
  readonly outcome: "answered" | "refused" | "silent";
  readonly reflexive: UdpEndpoint | null;
  /** Null when it is not known which of several requests was answered. */
  readonly rttMs: number | null;
}

/** STUN messages that came to nothing. */
export type StunDrop = "malformed" | "unknown-transaction" | "wrong-source";

export interface StunClientDeps {
  /** Fills the bytes with randomness that nobody can guess: who knows a transaction id can lie about our endpoint. */
  random(bytes: Uint8Array): void;
}

const MAX_SERVERS = 16;
/** NATs forget a silent UDP mapping after 30 s and more: asking keeps it, and shows soon that it is another one. */
const REFRESH_MS = 25_000;
const REFRESH_JITTER_MS = 2_000;
/** Without a NAT there is nothing to keep; it only shows if one has come. */
const REFRESH_WITHOUT_NAT_MS = 300_000;
/** A network that changes in many small steps is measured at the first, and again when this is over. */
const MIN_ROUND_SPACING_MS = 250;

/**
 * Asks STUN servers how they see one UDP socket (RFC 8489), and tells what that says of the NATs before it. Sans-IO: the
 * owner of the socket sends, hands over what comes, and ticks at `nextDeadlineMs`.
 *
 *     idle ──(servers, network-changed, measure, refresh due)──► round: a transaction for each server
 *       ▲                                                          │ reflexive, at each answer
 *       └──────────────── measured ◄── last answer or silence ─────┘
 */
export class StunClient {
  readonly drops: Record<StunDrop, number> = { malformed: 0, "unknown-transaction": 0, "wrong-source": 0 };
  readonly #deps: StunClientDeps;
  #servers: readonly UdpEndpoint[] = [];
  #local: LocalSocket | undefined;
  readonly #pending = new Map<string, StunTransaction>();
  /** Of the round that runs, or ran last; by transaction id, in the order of the servers. */
  readonly #reports = new Map<string, ServerReport>();
  /** Upper bounds, by server. */
  readonly #roundTripsMs = new Map<string, number>();
  #roundStartedAtMs = Number.NEGATIVE_INFINITY;
  #refreshAtMs = Number.POSITIVE_INFINITY;

  constructor(deps: StunClientDeps) {
    this.#deps = deps;
  }

  handle(event: StunEvent, nowMs: number): StunAction[] {
    switch (event.type) {
      case "servers":
        return this.#setServers(event.servers, nowMs);
      case "network-changed":
        this.#local = event.local;
        return this.#startRoundSoon(nowMs);
      case "measure":
        return this.#pending.size > 0 ? [] : this.#startRoundSoon(nowMs);
      case "datagram":
        return this.#receive(event.bytes, event.source, nowMs);
      case "tick":
        return this.#tick(nowMs);
    }
  }

  /** When the next `tick` is due; infinity while there is nothing to wait for. */
  nextDeadlineMs(): number {
    let deadlineMs = this.#pending.size > 0 ? Number.POSITIVE_INFINITY : this.#refreshAtMs;
    for (const { dueAtMs } of this.#pending.values()) deadlineMs = Math.min(deadlineMs, dueAtMs);
    return deadlineMs;
  }

  #setServers(servers: readonly UdpEndpoint[], nowMs: number): StunAction[] {
    const before = this.#servers;
    this.#servers = servers
      .filter((server, i) => servers.findIndex((other) => isSameRemote(other, server)) === i)
      .slice(0, MAX_SERVERS);
    const isSame =
      before.length === this.#servers.length && before.every((server, i) => isSameRemote(server, this.#servers[i]!));
    if (isSame) return [];
    const keys = new Set(this.#servers.map(keyOf));
    for (const key of this.#roundTripsMs.keys()) if (!keys.has(key)) this.#roundTripsMs.delete(key);
    return this.#startRoundSoon(nowMs);
  }

  /** What an earlier round still waits for is forgotten: it may tell of a network that is gone. */
  #startRoundSoon(nowMs: number): StunAction[] {
    this.#pending.clear();
    this.#reports.clear();
    const earliestMs = this.#roundStartedAtMs + MIN_ROUND_SPACING_MS;
    if (nowMs >= earliestMs) return this.#startRound(nowMs);
    this.#refreshAtMs = earliestMs;
    return [];
  }

  #startRound(nowMs: number): StunAction[] {
    this.#reports.clear();
    this.#refreshAtMs = Number.POSITIVE_INFINITY;
    const local = this.#local;
    const hasNeverAsked = this.#roundStartedAtMs === Number.NEGATIVE_INFINITY;
    if (local === undefined || (this.#servers.length === 0 && hasNeverAsked)) return [];
    if (this.#servers.length > 0) this.#roundStartedAtMs = nowMs;
    for (const server of this.#servers) {
      if (!hasFamilyOf(local, server)) continue;
      const roundTripMs = this.#roundTripsMs.get(keyOf(server)) ?? 0;
      const transaction = new StunTransaction(server, this.#newTransactionId(), roundTripMs);
      this.#pending.set(transaction.id, transaction);
      this.#reports.set(transaction.id, { server, outcome: "silent", reflexive: null, rttMs: null });
    }
    return this.#pending.size > 0 ? this.#sendDue(nowMs) : this.#endRound();
  }

  #receive(bytes: Uint8Array, source: Endpoint, nowMs: number): StunAction[] {
    const message = decodeBinding(bytes);
    if (message === undefined || message.kind === "request") return this.#drop("malformed");
    const transaction = this.#pending.get(message.transactionId);
    if (transaction === undefined) return this.#drop("unknown-transaction");
    const { server, id } = transaction;
    if (!isSameRemote(source, server)) return this.#drop("wrong-source");
    this.#pending.delete(id);
    const roundTrip = transaction.roundTrip(nowMs);
    this.#roundTripsMs.set(keyOf(server), roundTrip.ms);
    const rttMs = roundTrip.isExact ? roundTrip.ms : null;
    if (message.kind === "error") {
      this.#reports.set(id, { server, outcome: "refused", reflexive: null, rttMs });
      return this.#endRoundIfDone();
    }
    const { reflexive } = message;
    this.#reports.set(id, { server, outcome: "answered", reflexive, rttMs });
    return [{ type: "reflexive", server, endpoint: reflexive }, ...this.#endRoundIfDone()];
  }

  #tick(nowMs: number): StunAction[] {
    if (this.#pending.size > 0) return [...this.#sendDue(nowMs), ...this.#endRoundIfDone()];
    return nowMs >= this.#refreshAtMs ? this.#startRound(nowMs) : [];
  }

  /** Sends what is due, and gives up who has had its time. */
  #sendDue(nowMs: number): StunAction[] {
    const actions: StunAction[] = [];
    for (const transaction of this.#pending.values()) {
      if (transaction.dueAtMs > nowMs) continue;
      const { bytes, server, id } = transaction;
      if (transaction.sendNext(nowMs)) actions.push({ type: "send", bytes, destinations: [server] });
      else this.#pending.delete(id);
    }
    return actions;
  }

  #endRoundIfDone(): StunAction[] {
    return this.#pending.size > 0 ? [] : this.#endRound();
  }

  #endRound(): StunAction[] {
    const local = this.#local;
    if (local === undefined) return [];
    const servers = [...this.#reports.values()];
    // A refusal says nothing of the mapping, and nothing of UDP being blocked.
    const nat = classifyMapping(
      servers.filter(({ outcome }) => outcome !== "refused"),
      local,
    );
    if (servers.length > 0) this.#refreshAtMs = this.#roundStartedAtMs + this.#refreshIntervalMs(nat);
    return [{ type: "measured", report: { nat, servers } }];
  }

  #refreshIntervalMs({ udp, ipv4, ipv6 }: NatReport): number {
    const isOpen = [ipv4, ipv6].every(({ isBehindNat, mapping }) => isBehindNat !== true && mapping !== "blocked");
    return udp === true && isOpen ? REFRESH_WITHOUT_NAT_MS : REFRESH_MS - this.#jitterMs();
  }

  #newTransactionId(): string {
    const id = Buffer.alloc(TRANSACTION_ID_BYTES);
    this.#deps.random(id);
    return id.toString("hex");
  }

  /** Peers that started together do not ask together for ever. */
  #jitterMs(): number {
    const bytes = Buffer.alloc(2);
    this.#deps.random(bytes);
    return (bytes.readUInt16BE(0) / 0x10000) * REFRESH_JITTER_MS;
  }

  #drop(reason: StunDrop): [] {
    this.drops[reason]++;
    return [];
  }
}

/** Without an address of its family a server cannot be asked, and its silence says nothing. */
function hasFamilyOf({ addresses }: LocalSocket, server: UdpEndpoint): boolean {
  return addresses.some((address) => isIPv4(address) === isIPv4(server.address));
}

function keyOf({ address, port }: UdpEndpoint): string {
  return `${address} ${port}`;
}
