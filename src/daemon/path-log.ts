import type { TunnelPeerStatus } from "../router/tunnel.ts";

export interface PathRecord {
  readonly endpoint: string;
  /** `Clock.wallMs`. */
  readonly sinceMs: number;
  /** The last round trip measured on it. */
  readonly rttMs: number | null;
}

/** Remembers since when each peer is reached at which address, and how far away it is. */
export class PathLog {
  readonly #paths = new Map<string, PathRecord>();

  /** Takes the tunnel's present view; returns the keys of the peers whose path appeared or moved, and of those that lost it. */
  update(peers: readonly TunnelPeerStatus[], nowMs: number): { readonly moved: string[]; readonly lost: string[] } {
    const moved: string[] = [];
    const live = new Set<string>();
    for (const { publicKey, endpoint, sessionUp } of peers) {
      if (!sessionUp || endpoint === null) continue;
      live.add(publicKey);
      if (this.#paths.get(publicKey)?.endpoint === endpoint) continue;
      this.#paths.set(publicKey, { endpoint, sinceMs: nowMs, rttMs: null });
      moved.push(publicKey);
    }
    const lost = [...this.#paths.keys()].filter((publicKey) => !live.has(publicKey));
    for (const publicKey of lost) this.#paths.delete(publicKey);
    return { moved, lost };
  }

  measured(publicKey: string, rttMs: number): void {
    const path = this.#paths.get(publicKey);
    if (path !== undefined) this.#paths.set(publicKey, { ...path, rttMs });
  }

  get(publicKey: string): PathRecord | undefined {
    return this.#paths.get(publicKey);
  }
}
