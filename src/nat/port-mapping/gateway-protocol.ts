import type { UdpEndpoint } from "../../packet/endpoint.ts";
import { decodeNatPmp, encodeNatPmpAddress, encodeNatPmpMap } from "./nat-pmp.ts";
import { decodePcpMap, encodePcpMap, PCP_NONCE_BYTES, PcpResult } from "./pcp.ts";

/** One mapping, asked of a gateway in one of its protocols. */
export interface MappingQuery {
  readonly localAddress: string;
  readonly internalPort: number;
  /** What it was last time. */
  readonly previous: UdpEndpoint | undefined;
}

export type GatewayAnswer =
  | { readonly kind: "granted"; readonly external: UdpEndpoint; readonly lifetimeSeconds: number }
  /** The gateway says no. `retryAfterSeconds`: as it says, or undefined when it does not. */
  | { readonly kind: "refused"; readonly why: string; readonly retryAfterSeconds: number | undefined }
  /** It does not speak this protocol. */
  | { readonly kind: "unsupported" };

/** The exchange that gets, keeps and gives back a mapping; a new object for each series of requests. */
export interface GatewayExchange {
  /** What to send, and to send again while there is no answer. */
  requests(): readonly Uint8Array[];
  /** What the datagrams so far say, `bytes` the last of them; undefined while that is not enough. */
  receive(bytes: Uint8Array): GatewayAnswer | undefined;
  /** Takes the mapping away; nobody waits for the answer. */
  release(): readonly Uint8Array[];
}

/** RFC 6886 §3.3: two hours; RFC 6887 leaves it to us. */
export const LIFETIME_SECONDS = 7_200;

/** Port Control Protocol; `nonce` is one for all exchanges about the mapping. */
export class PcpExchange implements GatewayExchange {
  readonly #query: MappingQuery;
  readonly #nonce: Uint8Array;

  constructor(query: MappingQuery, nonce: Uint8Array) {
    if (nonce.length !== PCP_NONCE_BYTES) throw new RangeError("a nonce has 12 bytes");
    this.#query = query;
    this.#nonce = nonce;
  }

  requests(): readonly Uint8Array[] {
    return [this.#request(this.#query.previous, LIFETIME_SECONDS)];
  }

  receive(bytes: Uint8Array): GatewayAnswer | undefined {
    // A gateway that speaks NAT-PMP alone says so in its own words (RFC 6887 §9, RFC 6886 §3.5).
    if (decodeNatPmp(bytes)?.kind === "error") return { kind: "unsupported" };
    const answer = decodePcpMap(bytes);
    const isOurs = answer?.internalPort === this.#query.internalPort && Buffer.compare(answer.nonce, this.#nonce) === 0;
    if (answer === undefined || !isOurs) return undefined;
    const { result, lifetimeSeconds, external } = answer;
    switch (result) {
      case PcpResult.success:
        return granted(external, lifetimeSeconds);
      case PcpResult.unsupportedVersion:
      case PcpResult.unsupportedOpcode:
        return { kind: "unsupported" };
      default:
        return { kind: "refused", why: `PCP result ${result}`, retryAfterSeconds: lifetimeSeconds };
    }
  }

  release(): readonly Uint8Array[] {
    return [this.#request(undefined, 0)];
  }

  #request(external: UdpEndpoint | undefined, lifetimeSeconds: number): Uint8Array {
    const { localAddress, internalPort } = this.#query;
    return encodePcpMap({ nonce: this.#nonce, clientAddress: localAddress, internalPort, external, lifetimeSeconds });
  }
}

/** NAT-PMP: the external address and the mapping are two questions. */
export class NatPmpExchange implements GatewayExchange {
  readonly #query: MappingQuery;
  #address: string | undefined;
  #mapping: { readonly externalPort: number; readonly lifetimeSeconds: number } | undefined;

  constructor(query: MappingQuery) {
    this.#query = query;
  }

  requests(): readonly Uint8Array[] {
    const { internalPort, previous } = this.#query;
    const wish = { internalPort, externalPort: previous?.port ?? internalPort, lifetimeSeconds: LIFETIME_SECONDS };
    const all = [
      this.#address === undefined ? encodeNatPmpAddress() : undefined,
      this.#mapping === undefined ? encodeNatPmpMap(wish) : undefined,
    ];
    return all.filter((bytes) => bytes !== undefined);
  }

  receive(bytes: Uint8Array): GatewayAnswer | undefined {
    const answer = decodeNatPmp(bytes);
    if (answer?.kind === "error") {
      return { kind: "refused", why: `NAT-PMP result ${answer.result}`, retryAfterSeconds: undefined };
    }
    if (answer?.kind === "address") this.#address = answer.address;
    if (answer?.kind === "mapping" && answer.internalPort === this.#query.internalPort) this.#mapping = answer;
    if (this.#address === undefined || this.#mapping === undefined) return undefined;
    const { externalPort, lifetimeSeconds } = this.#mapping;
    return granted({ address: this.#address, port: externalPort }, lifetimeSeconds);
  }

  release(): readonly Uint8Array[] {
    return [encodeNatPmpMap({ internalPort: this.#query.internalPort, externalPort: 0, lifetimeSeconds: 0 })];
  }
}

/** Gateways without a connection of their own grant mappings of nothing. */
export function granted(external: UdpEndpoint, lifetimeSeconds: number): GatewayAnswer {
  const isReal = external.port !== 0 && external.address !== "0.0.0.0" && external.address !== "::";
  if (isReal && lifetimeSeconds > 0) return { kind: "granted", external, lifetimeSeconds };
  return { kind: "refused", why: "the gateway has no external address", retryAfterSeconds: undefined };
}
