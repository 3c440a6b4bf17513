import { inParallel } from "./in-parallel.ts";
import type { LabHost } from "./lab-host.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import { type SiteKind, World } from "./world.ts";

/** A peer at a site of kind `a` calls one at another site, of kind `b`. */
export interface NatPair {
  readonly a: SiteKind;
  readonly b: SiteKind;
}

/** Daemons that start at the same time. */
const STARTING_AT_ONCE = 4;
const FIRST_PORT = 51820;

/** A world with one calling and one called host of each kind that the pairs need, so that no pair shares both its ends. */
export class NatGrid implements AsyncDisposable {
  readonly world: World;
  readonly #hosts: ReadonlyMap<string, LabHost>;
  #peers = new Map<string, MeshPeer>();
  #rounds = 0;

  private constructor(world: World, hosts: ReadonlyMap<string, LabHost>) {
    this.world = world;
    this.#hosts = hosts;
  }

  /** The hosts; no daemons yet. */
  static async open(pairs: readonly NatPair[]): Promise<NatGrid> {
    const world = await World.open();
    try {
      const kinds = new Map(pairs.flatMap(({ a, b }) => [[callerAt(a), a] as const, [calledAt(b), b] as const]));
      const hosts = await inParallel([...kinds], STARTING_AT_ONCE, async ([label, kind]) => {
        const [host] = await world.site(kind, label);
        return [label, host!] as const;
      });
      return new NatGrid(world, new Map(hosts));
    } catch (failure) {
      await world[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** A daemon joins on every host, with keys and a port that nobody has heard of. */
  async join(): Promise<void> {
    const round = this.#rounds++;
    const { token } = await this.world.server.createToken("--uses", String(this.#hosts.size));
    await inParallel([...this.#hosts], STARTING_AT_ONCE, async ([label, host]) => {
      const home = `${host.scratchDirectory}/round-${round}`;
      const args = ["--listen-port", String(FIRST_PORT + round)];
      this.#peers.set(label, await this.world.join(host, { token, home, args }));
    });
  }

  /** All daemons leave the network. */
  async leave(): Promise<void> {
    await Promise.all(
      Array.from(this.#peers.values(), async (peer) => {
        await peer.local.leave();
        await peer.process.exited;
      }),
    );
    this.#peers = new Map();
  }

  /** The caller and the called, who have spoken to others at most. */
  peers({ a, b }: NatPair): readonly [MeshPeer, MeshPeer] {
    return [this.#peers.get(callerAt(a))!, this.#peers.get(calledAt(b))!];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}

const callerAt = (kind: SiteKind) => `a-${kind}`;
const calledAt = (kind: SiteKind) => `b-${kind}`;
