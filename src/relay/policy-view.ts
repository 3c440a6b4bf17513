import type { RelayPolicyDocument } from "../api/relay-policy.ts";
import type { RelayPeer, RelayPolicy } from "./policy.ts";

/** The policy of a stand-alone relay: what the coordinator said last. Without any, nobody is known. */
export class PolicyView implements RelayPolicy {
  readonly #listeners = new Set<() => void>();
  #byMachineKey: ReadonlyMap<string, RelayPeer> = new Map();
  /** By WireGuard key. */
  #groupOf: ReadonlyMap<string, number> = new Map();
  #seenFrom: ReadonlyMap<number, ReadonlySet<number>> = new Map();

  set(policy: RelayPolicyDocument): void {
    this.#byMachineKey = new Map(policy.peers.map((peer) => [peer.machineKey, peer]));
    this.#groupOf = new Map(policy.peers.map(({ wireguardKey, group }) => [wireguardKey, group]));
    this.#seenFrom = new Map(policy.groups.map(({ id, sees }) => [id, new Set(sees)]));
    for (const listener of this.#listeners) listener();
  }

  identify(machineKey: string): RelayPeer | undefined {
    return this.#byMachineKey.get(machineKey);
  }

  mayExchange(a: string, b: string): boolean {
    const [from, to] = [this.#groupOf.get(a), this.#groupOf.get(b)];
    return a !== b && from !== undefined && to !== undefined && this.#seenFrom.get(from)?.has(to) === true;
  }

  onPolicyChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
