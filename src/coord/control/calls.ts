import type { CoordinatorMessage } from "../../api/control-channel.ts";
import type { Clock } from "../../base/clock.ts";
import { RateLimiter } from "../../base/rate-limiter.ts";
import type { CoordinatorLimits } from "../limits.ts";
import type { Registry } from "../registry.ts";
import { mayExchange } from "../visibility.ts";

type Call = Extract<CoordinatorMessage, { type: "call" }>;

interface CallsDeps {
  readonly registry: Registry;
  readonly limits: CoordinatorLimits;
  readonly clock: Clock;
  /** The peer's live channel. */
  channelOf(peerId: number): { call(message: Call): void } | undefined;
}

/**
 * Passes calls on between peers: who is called sends to the caller, who sends to it, and their NATs let both in. Only
 * between peers that see each other. What is beyond the limits comes to nothing: peers call again by themselves.
 */
export class Calls {
  readonly #deps: CallsDeps;
  readonly #placed: RateLimiter;
  readonly #received: RateLimiter;

  constructor(deps: CallsDeps) {
    this.#deps = deps;
    const { callBurst, callsPerSecond } = deps.limits;
    this.#placed = new RateLimiter(callBurst, callsPerSecond);
    this.#received = new RateLimiter(callBurst, callsPerSecond);
  }

  /** `peers`: WireGuard keys. */
  place(callerId: number, peers: readonly string[]): void {
    const { registry, clock, channelOf } = this.#deps;
    const caller = registry.byId(callerId);
    if (caller === undefined) return;
    const message: Call = { type: "call", peer: caller.wireguardKey, endpoints: [...caller.endpoints] };
    const nowMs = clock.monotonicMs();
    for (const key of new Set(peers)) {
      if (!this.#placed.take(String(callerId), nowMs)) return;
      const callee = registry.byWireguardKey(key);
      if (callee === undefined || !mayExchange(registry.policy, caller, callee)) continue;
      const channel = channelOf(callee.id);
      if (channel !== undefined && this.#received.take(String(callee.id), nowMs)) channel.call(message);
    }
  }
}
