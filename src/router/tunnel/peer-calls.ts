import { RateLimiter } from "../../base/rate-limiter.ts";
import type { Cidr } from "../../packet/cidr.ts";
import type { UdpEndpoint } from "../../packet/endpoint.ts";
import { isReachableAddress } from "../../packet/reachable-address.ts";
import { MAX_CALL_ENDPOINTS } from "../shared/call.ts";
import { formatEndpoint } from "./endpoint-text.ts";
import type { TunnelPeerConfig } from "./tunnel-types.ts";

/** Calls of one peer that are heard: at once, and again per second. */
const BURST = 4;
const PER_SECOND = 1;

/** Where peers said they are reached when they called us last: news that counts until others have newer ones. */
export class PeerCalls {
  readonly #ranges: readonly Cidr[];
  readonly #limiter = new RateLimiter(BURST, PER_SECOND);
  /** By public key: what the peer said, and what others say. */
  readonly #heard = new Map<string, readonly string[]>();
  readonly #told = new Map<string, readonly string[]>();

  /** `ranges`: of the mesh, where no way leads to a peer. */
  constructor(ranges: readonly Cidr[]) {
    this.#ranges = ranges;
  }

  /** False for a call too many. */
  admits(publicKey: string, nowMs: number): boolean {
    return this.#limiter.take(publicKey, nowMs);
  }

  /** True when some of the endpoints are news. */
  note(publicKey: string, endpoints: readonly UdpEndpoint[]): boolean {
    const usable = endpoints.filter(({ address }) => isReachableAddress(address, this.#ranges));
    const named = usable.slice(0, MAX_CALL_ENDPOINTS).map(formatEndpoint);
    const known = [...(this.#heard.get(publicKey) ?? []), ...(this.#told.get(publicKey) ?? [])];
    this.#heard.set(publicKey, named);
    return named.some((endpoint) => !known.includes(endpoint));
  }

  /** The peer as others tell of it, and before that what it said itself, unless they have told something else since. */
  withHeard(peer: TunnelPeerConfig): TunnelPeerConfig {
    const { publicKey, endpoints } = peer;
    if (this.#told.get(publicKey)?.join() !== endpoints.join()) this.#heard.delete(publicKey);
    this.#told.set(publicKey, endpoints);
    const heard = this.#heard.get(publicKey);
    return heard === undefined ? peer : { ...peer, endpoints: [...new Set([...heard, ...endpoints])] };
  }

  /** Keeps what is known of these peers alone. */
  retain(isPeer: (publicKey: string) => boolean): void {
    for (const known of [this.#heard, this.#told])
      for (const publicKey of known.keys()) if (!isPeer(publicKey)) known.delete(publicKey);
  }
}
