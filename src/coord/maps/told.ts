import { createHash } from "node:crypto";
import type { Peer, Registry } from "../registry.ts";

interface LastTold {
  readonly digest: string;
  readonly sinceVersion: number;
}

export interface ToldSource<Part> {
  /** The last version at which what is told may have become something else. */
  readonly version: () => number;
  /** What each peer is told, for as long as that version stands. */
  readonly audience: () => (viewer: Peer) => Part;
  /** What a peer has that was told nothing. */
  readonly nothing: Part;
}

/** A part of the map, the same or not for each peer: what peers were told last, so that they are told again only when that is something else. */
export class Told<Part> {
  readonly #registry: Registry;
  readonly #source: ToldSource<Part>;
  readonly #nothing: LastTold;
  /** By peer: a digest of what it is told, and the version since when that is so. */
  readonly #told = new Map<number, LastTold>();
  #partOf: ((viewer: Peer) => Part) | undefined;
  #version = -1;

  constructor(registry: Registry, source: ToldSource<Part>) {
    this.#registry = registry;
    this.#source = source;
    this.#nothing = { digest: digestOf(source.nothing), sinceVersion: 0 };
  }

  whole(viewer: Peer): Part {
    const version = this.#source.version();
    if (this.#partOf === undefined || this.#version !== version) {
      this.#partOf = this.#source.audience();
      this.#version = version;
      this.#forgetTheGone();
    }
    const part = this.#partOf(viewer);
    const digest = digestOf(part);
    if (this.#lastTold(viewer).digest !== digest) {
      this.#told.set(viewer.id, { digest, sinceVersion: this.#registry.version });
    }
    return part;
  }

  /** All of it, for a viewer that has that of `version`; undefined where it is the same. */
  since(viewer: Peer, version: number): Part | undefined {
    if (this.#source.version() <= version) return undefined;
    const part = this.whole(viewer);
    return this.#lastTold(viewer).sinceVersion > version ? part : undefined;
  }

  #lastTold({ id }: Peer): LastTold {
    return this.#told.get(id) ?? this.#nothing;
  }

  #forgetTheGone(): void {
    for (const id of this.#told.keys()) if (this.#registry.byId(id) === undefined) this.#told.delete(id);
  }
}

function digestOf(part: unknown): string {
  return createHash("sha256").update(JSON.stringify(part)).digest("base64");
}
