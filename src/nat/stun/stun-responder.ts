import { RateLimiter } from "../../base/rate-limiter.ts";
import type { UdpEndpoint } from "../../packet/endpoint.ts";
import { sourceBlock } from "../../packet/source-block.ts";
import { HEADER_BYTES, MAGIC_COOKIE, MessageType } from "./constants.ts";
import { decodeBinding, encodeBindingSuccess, encodeUnknownAttributes } from "./message.ts";

export interface StunResponderLimits {
  /** Requests of one source (IPv6: one /64) that are answered: at once, and again per second. */
  readonly burst: number;
  readonly perSecond: number;
}

/** A hundred peers behind one address refresh two ports each in 25 s: 8 a second. */
export const DEFAULT_RESPONDER_LIMITS: StunResponderLimits = { burst: 200, perSecond: 50 };

/** Datagrams that got no answer. */
export type StunResponderDrop = "no-request" | "too-large" | "rate-limited";

/** RFC 8489 §6.1: a request that fits any path. Ours have 28 bytes. */
const MAX_REQUEST_BYTES = 548;
/** More than this many attributes that nobody knows make no request of good faith. */
const MAX_UNKNOWN_TYPES = 8;

/**
 * Tells whoever asks from where it was seen (RFC 8489 Binding, without authentication). Sans-IO. Nothing but a
 * well-formed request is answered, with one message that is at most 32 bytes longer, and a source only so often: who
 * forges a source address gains next to nothing.
 */
export class StunResponder {
  readonly drops: Record<StunResponderDrop, number> = { "no-request": 0, "too-large": 0, "rate-limited": 0 };
  readonly #limiter: RateLimiter;

  constructor(limits: StunResponderLimits = DEFAULT_RESPONDER_LIMITS) {
    this.#limiter = new RateLimiter(limits.burst, limits.perSecond);
  }

  /** What to send back to `source` from where the datagram came in, or undefined for nothing. */
  respond(datagram: Uint8Array, source: UdpEndpoint, nowMs: number): Uint8Array | undefined {
    if (datagram.length > MAX_REQUEST_BYTES) return this.#drop("too-large");
    // The cheap questions come before the limiter, and the limiter before all work.
    if (!looksLikeRequest(datagram) || source.port === 0) return this.#drop("no-request");
    if (!this.#limiter.take(sourceBlock(source.address), nowMs)) return this.#drop("rate-limited");
    const request = decodeBinding(datagram);
    if (request?.kind !== "request" || request.unknownTypes.length > MAX_UNKNOWN_TYPES) return this.#drop("no-request");
    if (request.unknownTypes.length > 0) return encodeUnknownAttributes(request, request.unknownTypes);
    const address = source.address.replace(/%.*$/, "");
    return encodeBindingSuccess(request, { address, port: source.port });
  }

  #drop(reason: StunResponderDrop): undefined {
    this.drops[reason]++;
    return undefined;
  }
}

function looksLikeRequest(datagram: Uint8Array): boolean {
  if (datagram.length < HEADER_BYTES) return false;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  return view.getUint16(0) === MessageType.request && view.getUint32(4) === MAGIC_COOKIE;
}
