import { createHmac } from "node:crypto";
import { type Endpoint, isSameRemote, type UdpEndpoint } from "../../packet/endpoint.ts";
import {
  type GatewayAnswer,
  type GatewayExchange,
  type MappingQuery,
  NatPmpExchange,
  PcpExchange,
} from "./gateway-protocol.ts";
import { PCP_NONCE_BYTES } from "./pcp.ts";

/** RFC 6887 §19, RFC 6886 §3: where gateways listen. */
const GATEWAY_PORT = 5351;
/** Between requests, and after the last; a gateway is one hop away. */
const WAITS_MS = [250, 500, 1_000];
/** UPnP is a search, a description and some calls: its owner gives it up by then. */
export const UPNP_LIMIT_MS = 8_000;
/** A gateway that has restarted has forgotten the mapping; asking again makes it anew, and shows a changed address. */
const RENEW_AFTER_MS = 600_000;
const RENEW_RETRY_MS = 60_000;
/** After silence, refusal, or the end of a mapping. */
const RETRY_AFTER_MS = 600_000;
const MIN_RETRY_MS = 60_000;
const MAX_RETRY_MS = 1_800_000;

export interface GatewayNetwork {
  /** Next hop of the default route; of one family with `localAddress`. */
  readonly gateway: string;
  /** Our address towards it: the one that requests are sent from. */
  readonly localAddress: string;
}

export type PortMapperEvent =
  /** The way out is this one now, null for none. Also after a sleep. */
  | { readonly type: "network-changed"; readonly network: GatewayNetwork | null }
  /** The socket of the requests has received this. */
  | { readonly type: "datagram"; readonly bytes: Uint8Array; readonly source: Endpoint }
  /** What has come of the last `ask-upnp`; null: it came to nothing. */
  | { readonly type: "upnp-answer"; readonly answer: GatewayAnswer | null }
  /** Time has come to the deadline that `nextDeadlineMs` named (or past it). */
  | { readonly type: "tick" }
  /** The mapping is no longer wanted. */
  | { readonly type: "stop" };

export type PortMapperAction =
  | { readonly type: "send"; readonly bytes: Uint8Array; readonly destination: UdpEndpoint }
  /** Ask the gateway by UPnP, within `UPNP_LIMIT_MS`; `upnp-answer` follows. One that is under way is given up. */
  | { readonly type: "ask-upnp"; readonly query: UpnpQuery }
  /** Give back what was mapped by UPnP, `query.previous`. */
  | { readonly type: "release-upnp"; readonly query: UpnpQuery }
  /** Others reach us here from now on: a new mapping, or one that has changed. */
  | { readonly type: "mapped"; readonly mapping: PortMapping }
  /** There is no mapping any more. */
  | { readonly type: "lost"; readonly why: string }
  /** The gateway gives none; it is asked again in some minutes. */
  | { readonly type: "unavailable"; readonly why: string };

export interface PortMapping {
  readonly protocol: PortMappingProtocol;
  readonly external: UdpEndpoint;
}

export type PortMappingProtocol = "pcp" | "nat-pmp" | "upnp";

export interface UpnpQuery extends MappingQuery {
  readonly gateway: string;
}

const NEXT: Readonly<Record<PortMappingProtocol, PortMappingProtocol | undefined>> = {
  pcp: "nat-pmp",
  "nat-pmp": "upnp",
  upnp: undefined,
};
const NAMES: Readonly<Record<PortMappingProtocol, string>> = { pcp: "PCP", "nat-pmp": "NAT-PMP", upnp: "UPnP" };

/**
 * A nonce that nobody can guess who does not know `secret`, and that is the same after a restart: a gateway may refuse
 * requests with another one for a mapping that stands (RFC 6887 §11.3), and it stands for two hours.
 */
export function portMappingNonce(secret: Uint8Array): Uint8Array {
  return createHmac("sha256", secret).update("mesh port mapping v1").digest().subarray(0, PCP_NONCE_BYTES);
}

/**
 * Keeps one UDP port of this machine mapped at its gateway: by PCP (RFC 6887), by NAT-PMP (RFC 6886) where that is not
 * known, by UPnP where neither is answered. Sans-IO: the owner sends from `localAddress`, hands over what comes, asks by
 * UPnP, and ticks at `nextDeadlineMs`.
 *
 *     idle ──network──► asking PCP ──unsupported, silent──► asking NAT-PMP ──silent──► asking UPnP ──silent──► waiting
 *                          │  ▲                                 │   ▲  └───refused──────│───│──────refused──────┤
 *                       granted └────────── renew ──────────────│───┴───────────────────┤   │                (again
 *                          ▼                                    ▼                       │ granted            from PCP)
 *                        mapped ◄──────────────────────────── granted ──────────────────┴───┘
 */
export class PortMapper {
  readonly #internalPort: number;
  readonly #nonce: Uint8Array;
  #network: GatewayNetwork | null = null;
  #protocol: PortMappingProtocol = "pcp";
  #exchange: GatewayExchange | undefined;
  /** An answer is waited for. */
  #isAsking = false;
  #sentCount = 0;
  #dueAtMs = Number.POSITIVE_INFINITY;
  #mapping: PortMapping | undefined;
  #expiresAtMs = 0;

  /** `nonce`: see `portMappingNonce`. */
  constructor(internalPort: number, nonce: Uint8Array) {
    this.#internalPort = internalPort;
    this.#nonce = nonce;
  }

  get mapping(): PortMapping | undefined {
    return this.#mapping;
  }

  handle(event: PortMapperEvent, nowMs: number): PortMapperAction[] {
    switch (event.type) {
      case "network-changed":
        return this.#setNetwork(event.network, nowMs);
      case "datagram":
        return this.#receive(event.bytes, event.source, nowMs);
      case "upnp-answer":
        if (this.#protocol !== "upnp" || !this.#isAsking) return [];
        return event.answer === null ? this.#onSilence(nowMs) : this.#onAnswer(event.answer, nowMs);
      case "tick":
        return nowMs >= this.#dueAtMs ? this.#onDue(nowMs) : [];
      case "stop":
        return this.#stop();
    }
  }

  /** When the next `tick` is due; infinity while there is nothing to wait for. */
  nextDeadlineMs(): number {
    return this.#dueAtMs;
  }

  #setNetwork(network: GatewayNetwork | null, nowMs: number): PortMapperAction[] {
    const before = this.#network;
    this.#network = network;
    const isSame = before?.gateway === network?.gateway && before?.localAddress === network?.localAddress;
    if (isSame && this.#isAsking) return [];
    // The same gateway may be another machine by now, or have restarted: what it has granted is asked for again.
    if (isSame && this.#mapping !== undefined) return this.#ask(this.#mapping.protocol, nowMs);
    return [...this.#lose("the network has changed"), ...this.#begin(nowMs)];
  }

  #begin(nowMs: number): PortMapperAction[] {
    if (this.#network !== null) return this.#ask("pcp", nowMs);
    this.#endAsking();
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    return [];
  }

  #ask(protocol: PortMappingProtocol, nowMs: number): PortMapperAction[] {
    this.#protocol = protocol;
    if (protocol === "upnp") {
      this.#exchange = undefined;
      this.#isAsking = true;
      // The owner answers by then; should it not, all begins anew.
      this.#dueAtMs = nowMs + 2 * UPNP_LIMIT_MS;
      return [{ type: "ask-upnp", query: this.#query }];
    }
    this.#exchange = this.#newExchange(protocol);
    this.#isAsking = true;
    this.#sentCount = 0;
    return this.#sendNext(nowMs);
  }

  get #query(): UpnpQuery {
    const { gateway = "", localAddress = "" } = this.#network ?? {};
    return { gateway, localAddress, internalPort: this.#internalPort, previous: this.#mapping?.external };
  }

  #newExchange(protocol: "pcp" | "nat-pmp"): GatewayExchange {
    return protocol === "pcp" ? new PcpExchange(this.#query, this.#nonce) : new NatPmpExchange(this.#query);
  }

  #sendNext(nowMs: number): PortMapperAction[] {
    const waitMs = WAITS_MS[this.#sentCount];
    if (waitMs === undefined) return this.#onSilence(nowMs);
    this.#sentCount++;
    this.#dueAtMs = nowMs + waitMs;
    return this.#send(this.#exchange?.requests() ?? []);
  }

  #send(datagrams: readonly Uint8Array[]): PortMapperAction[] {
    const network = this.#network;
    if (network === null) return [];
    const destination = { address: network.gateway, port: GATEWAY_PORT };
    return datagrams.map((bytes) => ({ type: "send", bytes, destination }));
  }

  #onDue(nowMs: number): PortMapperAction[] {
    if (this.#exchange !== undefined) return this.#sendNext(nowMs);
    if (this.#isAsking) return this.#onSilence(nowMs);
    return this.#mapping === undefined ? this.#begin(nowMs) : this.#ask(this.#mapping.protocol, nowMs);
  }

  #receive(bytes: Uint8Array, source: Endpoint, nowMs: number): PortMapperAction[] {
    const network = this.#network;
    if (network === null || !isSameRemote(source, { address: network.gateway, port: GATEWAY_PORT })) return [];
    const answer = this.#exchange?.receive(bytes);
    return answer === undefined ? [] : this.#onAnswer(answer, nowMs);
  }

  #onAnswer(answer: GatewayAnswer, nowMs: number): PortMapperAction[] {
    switch (answer.kind) {
      case "granted":
        return this.#onGranted(answer.external, 1_000 * answer.lifetimeSeconds, nowMs);
      case "unsupported":
        return this.#tryOther(`the gateway does not know ${NAMES[this.#protocol]}`, nowMs);
      case "refused":
        return this.#fail(answer.why, answer.retryAfterSeconds, nowMs);
    }
  }

  #onGranted(external: UdpEndpoint, lifetimeMs: number, nowMs: number): PortMapperAction[] {
    const before = this.#mapping;
    const mapping = { protocol: this.#protocol, external };
    this.#mapping = mapping;
    this.#endAsking();
    this.#expiresAtMs = nowMs + lifetimeMs;
    this.#dueAtMs = nowMs + Math.min(RENEW_AFTER_MS, lifetimeMs / 2);
    const isSame = before?.protocol === mapping.protocol && isSameRemote(before.external, external);
    return isSame ? [] : [{ type: "mapped", mapping }];
  }

  #onSilence(nowMs: number): PortMapperAction[] {
    if (this.#mapping !== undefined) {
      if (nowMs >= this.#expiresAtMs) return this.#fail("it was not renewed", undefined, nowMs);
      // Still valid by what the gateway has said; a later answer may keep it.
      this.#endAsking();
      this.#dueAtMs = Math.min(this.#expiresAtMs, nowMs + RENEW_RETRY_MS);
      return [];
    }
    // Old gateways drop what they do not know, instead of saying so.
    return this.#tryOther("the gateway is silent", nowMs);
  }

  /** NAT-PMP after PCP, UPnP after both; these know no IPv6. */
  #tryOther(why: string, nowMs: number): PortMapperAction[] {
    const isIpv6 = this.#network?.gateway.includes(":") === true;
    const next = isIpv6 ? undefined : NEXT[this.#protocol];
    return next === undefined ? this.#fail(why, undefined, nowMs) : this.#ask(next, nowMs);
  }

  #endAsking(): void {
    this.#exchange = undefined;
    this.#isAsking = false;
  }

  /** Nothing is mapped, and somewhat later all is tried again. */
  #fail(why: string, retryAfterSeconds: number | undefined, nowMs: number): PortMapperAction[] {
    const lost = this.#lose(why);
    this.#endAsking();
    const waitMs = retryAfterSeconds === undefined ? RETRY_AFTER_MS : 1_000 * retryAfterSeconds;
    this.#dueAtMs = nowMs + Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, waitMs));
    return [...lost, { type: "unavailable", why }];
  }

  #lose(why: string): PortMapperAction[] {
    const had = this.#mapping !== undefined;
    this.#mapping = undefined;
    return had ? [{ type: "lost", why }] : [];
  }

  #stop(): PortMapperAction[] {
    const mapping = this.#mapping;
    const released = mapping === undefined ? [] : this.#release(mapping.protocol);
    this.#mapping = undefined;
    this.#network = null;
    this.#endAsking();
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    return released;
  }

  #release(protocol: PortMappingProtocol): PortMapperAction[] {
    if (protocol === "upnp") return [{ type: "release-upnp", query: this.#query }];
    return this.#send(this.#newExchange(protocol).release());
  }
}
