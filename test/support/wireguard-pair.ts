import { nodeCrypto } from "../../src/wireguard/crypto/node.ts";
import type { EnginePeerConfig } from "../../src/wireguard/engine.ts";
import { seededRandom, WireGuardNetwork } from "./wireguard-network.ts";
import type { WireGuardNode, WireGuardNodeOptions } from "./wireguard-node.ts";

export const ALICE_AT = { address: "192.0.2.1", port: 51820 };
export const BOB_AT = { address: "192.0.2.2", port: 51820 };

export function keyFromSeed(seed: string): { privateKey: Uint8Array; publicKey: Uint8Array } {
  const privateKey = new Uint8Array(32);
  seededRandom(seed)(privateKey);
  return { privateKey, publicKey: nodeCrypto.x25519Key(privateKey).publicKey };
}

export interface Pair {
  readonly network: WireGuardNetwork;
  readonly alice: WireGuardNode;
  readonly bob: WireGuardNode;
  /** Bob's number at Alice, and Alice's at Bob. */
  readonly bobId: number;
  readonly aliceId: number;
}

/** Alice, who knows where Bob is, and Bob, who does not know where Alice is. */
export function makePair(
  options: {
    readonly alice?: WireGuardNodeOptions;
    readonly bob?: WireGuardNodeOptions;
    readonly atAlice?: Partial<EnginePeerConfig>;
    readonly atBob?: Partial<EnginePeerConfig>;
  } = {},
): Pair {
  const network = new WireGuardNetwork();
  const aliceKey = keyFromSeed("alice");
  const bobKey = keyFromSeed("bob");
  const alice = network.add(ALICE_AT, { privateKey: aliceKey.privateKey, ...options.alice });
  const bob = network.add(BOB_AT, { privateKey: bobKey.privateKey, ...options.bob });
  const bobId = alice.addPeer({ publicKey: bobKey.publicKey, candidates: [BOB_AT], ...options.atAlice });
  const aliceId = bob.addPeer({ publicKey: aliceKey.publicKey, ...options.atBob });
  return { network, alice, bob, bobId, aliceId };
}

/** A pair that has exchanged one packet each way. */
export function makeConnectedPair(options: Parameters<typeof makePair>[0] = {}): Pair {
  const pair = makePair(options);
  pair.alice.send(pair.bobId, text("hello"));
  pair.network.runUntil(() => pair.bob.received.length === 1, 1000);
  pair.bob.send(pair.aliceId, text("hello yourself"));
  pair.network.runUntil(() => pair.alice.received.length === 1, 1000);
  return pair;
}

export function text(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

/** A received payload without its padding. */
export function textOf(payload: Uint8Array | undefined): string {
  return new TextDecoder().decode(payload).replace(/\0+$/, "");
}
