import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { eventually } from "../lab/eventually.ts";
import type { MeshPeer } from "../lab/mesh-peer.ts";
import { PingFlow } from "../lab/ping-flow.ts";
import { SmallNetwork } from "../lab/small-network.ts";
import { LabRelayClient, type RelayIdentity, takeOver } from "./lab-relay-client.ts";

const URL = "wss://192.0.2.1:8443";
const PING_INTERVAL_MS = 20;
/** Of the honest pair's packets. One is what a busy machine may cost. */
const MAX_LOST = 1;
const MAX_GAP_MS = 1000;
const MAX_GROWTH_MIB = 64;

/** A behaviour of `hostile-client.mjs`, and how often it has to have happened to count as under way. */
export interface Attack {
  readonly behaviour: string;
  readonly enough: number;
}

export const ATTACKS: readonly Attack[] = [
  { behaviour: "wrong-key", enough: 100 },
  { behaviour: "replay", enough: 100 },
  { behaviour: "oversize", enough: 50 },
  { behaviour: "flood", enough: 20_000 },
  { behaviour: "slow-reader", enough: 20_000 },
  { behaviour: "spoof", enough: 200 },
  { behaviour: "garbage", enough: 50 },
  { behaviour: "half-open", enough: 400 },
];

/**
 * Two honest peers whose only way is the relay, with a ping that goes on, and a third host for whoever is up to something.
 * Everything is real: `mesh serve` with TLS, daemons, and hostile processes: registered peers gone bad, or strangers.
 */
export class AttackedNetwork implements AsyncDisposable {
  readonly #network: SmallNetwork;
  readonly #alice: MeshPeer;
  readonly #flow: PingFlow;
  readonly #bobKey: string;
  readonly #identities: readonly RelayIdentity[];

  private constructor(
    network: SmallNetwork,
    alice: MeshPeer,
    flow: PingFlow,
    bobKey: string,
    identities: readonly RelayIdentity[],
  ) {
    this.#network = network;
    this.#alice = alice;
    this.#flow = flow;
    this.#bobKey = bobKey;
    this.#identities = identities;
  }

  static async open(): Promise<AttackedNetwork> {
    const labels = ["alice", "bob", "mallory", "eve"] as const;
    const network = await SmallNetwork.open(...labels);
    try {
      const join = (label: string) => network.join(label, { args: ["--transports", "relay"] });
      const [alice, bob, mallory, eve] = await Promise.all([join("alice"), join("bob"), join("mallory"), join("eve")]);
      const { publicKey, ip4 } = (await bob.status()).self!;
      const identities = [await takeOver(mallory), await takeOver(eve)];
      const flow = await PingFlow.start(alice.host, ip4, PING_INTERVAL_MS);
      expect((await alice.peer("bob"))?.path?.transport).toBe("relay");
      return new AttackedNetwork(network, alice, flow, publicKey, identities);
    } catch (failure) {
      await network[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** Holds that the honest pair goes on for `pings` under the attack, and that the relay's process stays small. */
  async withstands({ behaviour, enough }: Attack, pings: number): Promise<void> {
    const host = this.#network.host("mallory");
    const [beforeMib, session] = [this.#relayMib(), await this.#session()];
    const settings = { url: URL, as: this.#identities, to: this.#bobKey };
    await using hostile = await LabRelayClient.start(host, behaviour, settings);
    await eventually(`${behaviour} is under way`, () => hostile.count >= enough, { timeoutMs: 30_000 });
    this.#flow.restart();
    await eventually("the pair is watched for a while", () => this.#flow.answered >= pings, {
      timeoutMs: 20_000 + 3 * pings * PING_INTERVAL_MS,
    });
    const { lost, longestGapMs } = this.#flow.result();
    const grownMib = this.#relayMib() - beforeMib;
    const figures = `lost ${lost}, longest gap ${Math.round(longestGapMs)} ms, memory ${grownMib.toFixed(1)} MiB`;
    console.info(`${behaviour}, ${hostile.count} times: ${figures}`);
    expect(lost).toBeLessThanOrEqual(MAX_LOST);
    expect(longestGapMs).toBeLessThan(MAX_GAP_MS);
    expect(grownMib).toBeLessThan(MAX_GROWTH_MIB);
    expect(await this.#session()).toBe(session);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#network[Symbol.asyncDispose]();
  }

  /** The honest pair's WireGuard session, told by its handshake. */
  async #session(): Promise<string | null | undefined> {
    return (await this.#alice.peer("bob"))?.lastHandshakeAt;
  }

  /** Resident memory of the coordinator, with its relay. */
  #relayMib(): number {
    const status = readFileSync(`/proc/${this.#network.server.process.pid}/status`, "latin1");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }
}
