import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { inParallel } from "./in-parallel.ts";
import type { LabHost } from "./lab-host.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import { type SiteKind, World } from "./world.ts";

/** A peer at a site of kind `a` calls one at another site, of kind `b`. */
export interface NatPair {
  readonly a: SiteKind;
  readonly b: SiteKind;
}

export interface NatGridOptions {
  /**
   * No caller speaks to a called peer before it is to (`meet`), nor the other way round: what figures of first contact
   * need, since a peer behind a NAT speaks to every other by itself, and each starts with a word to the first eight by name.
   */
  readonly asStrangers?: boolean;
}

/** Daemons that start at the same time. */
const STARTING_AT_ONCE = 4;
const FIRST_PORT = 51820;

/** A world with one calling and one called host of each kind that the pairs need, so that no pair shares both its ends. */
export class NatGrid implements AsyncDisposable {
  readonly world: World;
  readonly #hosts: ReadonlyMap<string, LabHost>;
  readonly #asStrangers: boolean;
  #peers = new Map<string, MeshPeer>();
  #rounds = 0;

  private constructor(world: World, hosts: ReadonlyMap<string, LabHost>, asStrangers: boolean) {
    this.world = world;
    this.#hosts = hosts;
    this.#asStrangers = asStrangers;
  }

  /** The hosts; no daemons yet. */
  static async open(pairs: readonly NatPair[], { asStrangers = false }: NatGridOptions = {}): Promise<NatGrid> {
    const world = await World.open();
    try {
      const kinds = new Map(pairs.flatMap(({ a, b }) => [[callerAt(a), a] as const, [calledAt(b), b] as const]));
      const hosts = await inParallel([...kinds], STARTING_AT_ONCE, async ([label, kind]) => {
        const [host] = await world.site(kind, label);
        return [label, host!] as const;
      });
      return new NatGrid(world, new Map(hosts), asStrangers);
    } catch (failure) {
      await world[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** A daemon joins on every host, with keys and a port that nobody has heard of; all know of all when it returns. */
  async join(): Promise<void> {
    const round = this.#rounds++;
    const { token } = await this.world.server.createToken({ uses: this.#hosts.size });
    await inParallel([...this.#hosts], STARTING_AT_ONCE, async ([label, host]) => {
      const home = `${host.scratchDirectory}/round-${round}`;
      const args = ["--listen-port", String(FIRST_PORT + round), "--config", this.#writeConfig(host)];
      this.#peers.set(label, await this.world.join(host, { token, home, args }));
    });
    await Promise.all(
      Array.from(this.#peers.values(), (peer) =>
        eventually(`${peer.host.label} sees the others`, async () => {
          const online = (await peer.local.status()).peers.filter((other) => other.online);
          return [...this.#hosts.keys()].every(
            (name) => name === peer.host.label || online.some((other) => other.name === name),
          );
        }),
      ),
    );
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

  /** The caller and the called. */
  peers({ a, b }: NatPair): readonly [MeshPeer, MeshPeer] {
    return [this.#peers.get(callerAt(a))!, this.#peers.get(calledAt(b))!];
  }

  /** Strangers have nothing but SSH for each other, which connects only for who has packets to send. */
  #writeConfig(host: LabHost): string {
    const strangers = this.#asStrangers ? [...this.#hosts.keys()].filter((label) => label !== host.label) : [];
    const file = join(host.scratchDirectory, "peer.yaml");
    writeFileSync(
      file,
      JSON.stringify({ paths: Object.fromEntries(strangers.map((name) => [name, { only: ["ssh"] }])) }),
    );
    return file;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}

const callerAt = (kind: SiteKind) => `a-${kind}`;
const calledAt = (kind: SiteKind) => `b-${kind}`;
