import type { ActivePreference, PreferenceReply } from "../../api/local.ts";
import type { MapPeer } from "../../api/network-map.ts";
import type { PeerPreference } from "../../api/path-preference.ts";
import { MeshError } from "../../base/errors.ts";
import type { TransportName } from "../../base/transports.ts";
import type { TransportPreference } from "../../router/paths/events.ts";
import type { NetworkState, Settings } from "../networks/network-state.ts";

export interface PathPreferencesOptions {
  readonly file: NetworkState["preferences"];
  readonly settings: Pick<Settings, "transports" | "peerPreferences">;
}

/** The word of `mesh prefer`, by the names of peers, and the public keys that these peers had last. */
interface Commanded {
  readonly preferences: ReadonlyMap<string, PeerPreference>;
  readonly keys: ReadonlyMap<string, string>;
}

/**
 * What was asked of the paths to peers: the transports that this machine may use at all, the configuration file's word on
 * single peers, and that of `mesh prefer`, which outweighs it and is kept on disk.
 */
export class PathPreferences {
  readonly transports: readonly TransportName[];
  readonly #file: NetworkState["preferences"];
  #configured: ReadonlyMap<string, PeerPreference>;
  #commanded: Commanded;
  /** One write at a time. */
  #saving: Promise<void> = Promise.resolve();

  private constructor({ file, settings }: PathPreferencesOptions, commanded: Commanded) {
    this.transports = settings.transports;
    this.#file = file;
    this.#configured = new Map(Object.entries(settings.peerPreferences));
    this.#commanded = commanded;
  }

  /** @throws MeshError `state-damaged` */
  static async open(options: PathPreferencesOptions): Promise<PathPreferences> {
    const stored = await options.file.read();
    const { peers = {}, keys = {} } = stored ?? {};
    return new PathPreferences(options, {
      preferences: new Map(Object.entries(peers)),
      keys: new Map(Object.entries(keys)),
    });
  }

  /** Another word of the configuration file on single peers. */
  configure({ peerPreferences }: Pick<Settings, "peerPreferences">): void {
    this.#configured = new Map(Object.entries(peerPreferences));
  }

  /** Whether this machine uses the transport for anybody. */
  isUsed(transport: TransportName): boolean {
    return this.transports.includes(transport);
  }

  /** Null where nothing was asked for. */
  of(peer: string): ActivePreference | null {
    const commanded = this.#commanded.preferences.get(peer);
    if (commanded !== undefined) return { ...commanded, from: "command" };
    const configured = this.#configured.get(peer);
    return configured === undefined ? null : { ...configured, from: "configuration" };
  }

  /** In the order of the names. */
  list(): PreferenceReply[] {
    const names = new Set([...this.#configured.keys(), ...this.#commanded.preferences.keys()]);
    return [...names].sort().map((peer) => ({ peer, preference: this.of(peer) }));
  }

  /** What path selection is told of one peer. */
  effective(peer: string): TransportPreference {
    const { prefer, exclude } = this.of(peer) ?? { prefer: null, exclude: [] };
    const preferred = prefer !== null && this.isUsed(prefer) ? prefer : null;
    return { order: this.transports, excluded: exclude, preferred };
  }

  /**
   * Keeps what `mesh prefer` asks for; null drops it.
   * @throws MeshError `transport-excluded` for what this machine may not use, or when nothing would be left
   */
  async set(peer: string, preference: PeerPreference | null): Promise<void> {
    const problem = preference === null ? undefined : this.#problemOf(peer, preference);
    if (problem !== undefined) throw new MeshError("transport-excluded", problem);
    const changed = (): Commanded => {
      const { preferences, keys } = this.#commanded;
      const others = [...preferences].filter(([name]) => name !== peer);
      return {
        preferences: new Map(preference === null ? others : [...others, [peer, preference]]),
        // Whose name it is now, the next map tells.
        keys: new Map([...keys].filter(([name]) => name !== peer)),
      };
    };
    await this.#inTurn(async () => {
      await this.#write(changed());
      // Once more: names may have changed while the disk was busy.
      this.#commanded = changed();
    });
  }

  /**
   * What was commanded for a peer goes with its key when it has another name, and stays with its name when it has another
   * key. Holds at once; undefined when nothing is new, else done once it is on the disk.
   */
  follow(peers: readonly Pick<MapPeer, "name" | "wireguardKey">[]): Promise<void> | undefined {
    const before = this.#commanded;
    if (before.preferences.size === 0) return undefined;
    const nameOf = new Map(peers.map(({ name, wireguardKey }) => [wireguardKey, name]));
    const keyOf = new Map(peers.map(({ name, wireguardKey }) => [name, wireguardKey]));
    const named = [...before.preferences].map(([name, preference]) => {
      const key = before.keys.get(name);
      const known = key === undefined ? undefined : nameOf.get(key);
      return { name: known ?? name, key, preference, isKnown: known !== undefined };
    });
    // Those found by their keys last: a name that is theirs now is not its former holder's any more.
    named.sort((a, b) => Number(a.isKnown) - Number(b.isKnown));
    const preferences = new Map(named.map(({ name, preference }) => [name, preference]));
    const keys = new Map<string, string>();
    for (const { name, key } of named) {
      const latest = keyOf.get(name) ?? key;
      if (latest !== undefined) keys.set(name, latest);
    }
    if (isSame(preferences, before.preferences) && isSame(keys, before.keys)) return undefined;
    this.#commanded = { preferences, keys };
    return this.#inTurn(() => this.#write(this.#commanded));
  }

  #write({ preferences, keys }: Commanded): Promise<void> {
    return this.#file.write({ version: 1, peers: Object.fromEntries(preferences), keys: Object.fromEntries(keys) });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#saving.then(work);
    this.#saving = done.catch(() => undefined);
    return done;
  }

  /** What of all this cannot be fulfilled, a line for each peer concerned. */
  problems(): Map<string, string> {
    const problems = new Map<string, string>();
    for (const { peer, preference } of this.list()) {
      const problem = preference === null ? undefined : this.#problemOf(peer, preference);
      if (problem !== undefined) problems.set(peer, problem);
    }
    return problems;
  }

  #problemOf(peer: string, { prefer, exclude }: PeerPreference): string | undefined {
    const used = this.transports.join(", ");
    if (this.transports.every((name) => exclude.includes(name))) {
      return `no transport is left for ${peer}: this machine uses ${used} only`;
    }
    if (prefer === null || this.isUsed(prefer)) return undefined;
    return `${prefer} cannot be preferred for ${peer}: this machine uses ${used} only`;
  }
}

function isSame<T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}
