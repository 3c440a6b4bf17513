import type { Registry } from "../registry.ts";
import { mayExchange } from "../visibility.ts";

/** What somebody who carries peers' datagrams has to know of them, as of now. */
export class PeerPolicy {
  #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** The enabled peer with this machine key (base64). */
  identify(machineKey: string): { readonly name: string; readonly wireguardKey: string } | undefined {
    const peer = this.#registry.byMachineKey(machineKey);
    return peer?.enabled === true ? peer : undefined;
  }

  /** Whether the peers with these WireGuard keys (base64) are in each other's network map. */
  mayExchange(a: string, b: string): boolean {
    const [one, other] = [this.#registry.byWireguardKey(a), this.#registry.byWireguardKey(b)];
    return one !== undefined && other !== undefined && mayExchange(this.#registry.policy, one, other);
  }

  /** Calls back, in the same turn, when one of these answers may have changed. Returns the way to end it. */
  onPolicyChange(listener: () => void): () => void {
    return this.#registry.onPolicyChange(listener);
  }
}
