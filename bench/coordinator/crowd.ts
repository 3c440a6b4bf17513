import { forEachAtMost } from "./for-each-at-most.ts";
import { MessageTally } from "./message-tally.ts";
import type { ServedCoordinator } from "./served-coordinator.ts";
import { SimulatedPeer } from "./simulated-peer.ts";

/** Machines do not join all in the same instant; the coordinator lets only so many wait for their turn. */
const AT_ONCE = 32;
/** How many announce other endpoints each minute. */
const RESTLESS_SHARE = 0.1;

/** Many simulated peers, spread over CIDRs that stand side by side. */
export class Crowd {
  readonly peers: readonly SimulatedPeer[];
  /** Names. */
  readonly cidrs: readonly string[];
  readonly tally = new MessageTally();
  #restlessness: NodeJS.Timeout | undefined;

  constructor(peerCount: number, cidrCount: number) {
    this.cidrs = Array.from({ length: cidrCount }, (_, i) => `site-${i}`);
    this.peers = Array.from(
      { length: peerCount },
      (_, i) => new SimulatedPeer(i, this.cidrs[i % cidrCount]!, this.tally),
    );
  }

  membersOf(cidr: string): readonly SimulatedPeer[] {
    return this.peers.filter((peer) => peer.cidr === cidr);
  }

  /** Makes the CIDRs, and a peer of each, with tokens and proofs. */
  async register(coordinator: ServedCoordinator): Promise<void> {
    const { client, admin } = coordinator;
    const { network } = await client.info();
    const tokens = new Map<string, string>();
    for (const [i, name] of this.cidrs.entries()) {
      await coordinator.command("POST", "cidrs", { name, cidr4: `10.${128 + i}.0.0/16` });
      tokens.set(name, (await admin.createToken({ cidr: name, uses: null })).token);
    }
    await forEachAtMost(AT_ONCE, this.peers, (peer) => peer.register(client, network.id, tokens.get(peer.cidr)!));
  }

  /** All of them, each with its first map. */
  connect({ client }: ServedCoordinator): Promise<void> {
    return forEachAtMost(AT_ONCE, this.peers, (peer) => peer.connect(client));
  }

  /**
   * From now on endpoints change now and then, evenly spread over time. Not those of the first peer in each CIDR: by its
   * key, messages of other kinds are told apart.
   */
  becomeRestless(): void {
    const everyMs = 60_000 / (this.peers.length * RESTLESS_SHARE);
    const restless = this.peers.slice(this.cidrs.length);
    let turn = 0;
    this.#restlessness = setInterval(() => restless[turn++ % restless.length]!.announceEndpoint(), everyMs);
  }

  /** All channels end. */
  leave(): void {
    clearInterval(this.#restlessness);
    for (const peer of this.peers) peer.close();
  }
}
