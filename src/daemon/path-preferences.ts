import type { ActivePreference, PreferenceReply } from "../api/local.ts";
import type { PeerPreference } from "../api/path-preference.ts";
import { MeshError } from "../base/errors.ts";
import type { TransportName } from "../base/transports.ts";
import type { TransportPreference } from "../router/paths/events.ts";
import type { NetworkState, Settings } from "./network-state.ts";

export interface PathPreferencesOptions {
  readonly file: NetworkState["preferences"];
  readonly settings: Pick<Settings, "transports" | "peerPreferences">;
}

/**
 * What was asked of the paths to peers: the transports that this machine may use at all, the configuration file's word on
 * single peers, and that of `mesh prefer`, which outweighs it and is kept on disk.
 */
export class PathPreferences {
  readonly transports: readonly TransportName[];
  readonly #file: NetworkState["preferences"];
  readonly #configured: ReadonlyMap<string, PeerPreference>;
  #commanded: ReadonlyMap<string, PeerPreference>;

  private constructor({ file, settings }: PathPreferencesOptions, commanded: ReadonlyMap<string, PeerPreference>) {
    this.transports = settings.transports;
    this.#file = file;
    this.#configured = new Map(Object.entries(settings.peerPreferences));
    this.#commanded = commanded;
  }

  /** @throws MeshError `state-damaged` */
  static async open(options: PathPreferencesOptions): Promise<PathPreferences> {
    const stored = await options.file.read();
    return new PathPreferences(options, new Map(Object.entries(stored?.peers ?? {})));
  }

  /** Whether this machine uses the transport for anybody. */
  isUsed(transport: TransportName): boolean {
    return this.transports.includes(transport);
  }

  /** Null where nothing was asked for. */
  of(peer: string): ActivePreference | null {
    const commanded = this.#commanded.get(peer);
    if (commanded !== undefined) return { ...commanded, from: "command" };
    const configured = this.#configured.get(peer);
    return configured === undefined ? null : { ...configured, from: "configuration" };
  }

  /** In the order of the names. */
  list(): PreferenceReply[] {
    const names = new Set([...this.#configured.keys(), ...this.#commanded.keys()]);
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
    const commanded = new Map(this.#commanded);
    if (preference === null) commanded.delete(peer);
    else commanded.set(peer, preference);
    await this.#file.write({ version: 1, peers: Object.fromEntries(commanded) });
    this.#commanded = commanded;
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
