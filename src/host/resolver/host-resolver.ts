import { readFile, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { errnoOf } from "../../base/errors.ts";
import { TokenBucket } from "../../base/token-bucket.ts";
import { readFileState } from "../changes/file-change.ts";
import type { HostChange, InterfaceIdentity } from "../changes/host-change.ts";
import type { HostChanges } from "../changes/host-changes.ts";
import { type ResolverFiles, readFormerConf, SYSTEM_RESOLVER_FILES, serversIn } from "./former-conf.ts";
import { markedConf, networkOfMarked, stateBeforeMarked } from "./marked-conf.ts";
import { type ChosenManager, chooseManager, type ResolverFacts, type ResolverManager } from "./resolver-manager.ts";

/** What this host's programs are to ask us. */
export interface ResolverWish {
  readonly interface: InterfaceIdentity;
  /** Where we answer, port 53. */
  readonly servers: readonly string[];
  readonly domain: string;
  /** Further names that are ours, such as the zones of the reverse lookup. */
  readonly zones: readonly string[];
  /** All other names too, also where the host could ask others for them. */
  readonly isDefault: boolean;
}

export interface ResolverState {
  /** Null: nobody whom mesh could tell. */
  readonly manager: ResolverManager | null;
  readonly inForce: boolean;
  readonly reason: string;
}

/** What becomes of our names where another network of this machine has resolv.conf. */
export interface OwnerWord {
  /** Its name server passes questions for them on to ours. */
  readonly isAsked: boolean;
  readonly reason: string;
}

export interface HostResolverDeps {
  readonly changes: HostChanges;
  /** Of the network of this name, which has resolv.conf: `gone` without giving it back, undefined where it is not known. */
  readonly owner?: (network: string) => Promise<OwnerWord | "gone" | undefined>;
  /** Name servers of other networks of this machine that ask ours for our names: to ask one of them is as good. */
  readonly askedBy?: () => readonly string[];
  readonly files?: ResolverFiles;
  readonly platform?: NodeJS.Platform;
  readonly nowMs?: () => number;
}

/** Where resolv.conf leads, and what stands there. */
type SeenConf = Pick<ResolverFacts, "realPath" | "text">;

/** Whoever rewrites resolv.conf all the time gets it so often, and again once a minute. */
const PUT_BACK_BURST = 5;
const PUT_BACKS_PER_SECOND = 1 / 60;

/**
 * How this host resolves names: has its programs ask us for the mesh's, by whoever decides over that here, and takes it back.
 * Calls come one after the other.
 */
export class HostResolver {
  readonly #network: string;
  readonly #deps: HostResolverDeps;
  readonly #files: ResolverFiles;
  readonly #putBacks: TokenBucket;
  #wish: ResolverWish | undefined;
  #current: HostChange | undefined;
  /** Of resolv.conf once our change was made, where it is not that file itself. */
  #seen: SeenConf | undefined;
  #state: ResolverState = { manager: null, inForce: false, reason: "it was not asked for" };

  constructor(network: string, deps: HostResolverDeps) {
    this.#network = network;
    this.#deps = deps;
    this.#files = deps.files ?? SYSTEM_RESOLVER_FILES;
    this.#putBacks = new TokenBucket(PUT_BACK_BURST, PUT_BACKS_PER_SECOND, this.#nowMs());
  }

  get state(): ResolverState {
    return this.#state;
  }

  /** @throws MeshError `host-change-failed`; the host resolves as it did without us then */
  async use(wish: ResolverWish): Promise<void> {
    this.#wish = wish;
    const platform = this.#deps.platform ?? process.platform;
    if (platform !== "linux") {
      this.#state = { manager: null, inForce: false, reason: `mesh does not know yet how ${platform} is told of it` };
      return;
    }
    await this.#putIn(wish);
  }

  /** @throws MeshError `host-change-failed` */
  async release(reason: string): Promise<void> {
    this.#wish = undefined;
    await this.#takeOut();
    this.#state = { manager: null, inForce: false, reason };
  }

  /**
   * To be called when the files may have changed, and now and then: what somebody else has put into resolv.conf counts as what was there before us, and ours
   * comes on top of it again. Who does so all the time has the last word, but for once a minute.
   *
   * @throws MeshError `host-change-failed`
   */
  async look(): Promise<void> {
    const wish = this.#wish;
    if (wish === undefined || this.#state.manager === null || (await this.#isInForce())) return;
    // Nothing of ours was there that somebody could have taken away.
    if (this.#current === undefined) {
      await this.#putIn(wish);
    } else if (this.#putBacks.take(this.#nowMs())) {
      await this.#putIn(wish);
    } else {
      const reason = `another program rewrites ${this.#files.resolvConf} all the time`;
      this.#state = { ...this.#state, inForce: false, reason };
    }
  }

  #nowMs(): number {
    return (this.#deps.nowMs ?? Date.now)();
  }

  async #putIn(wish: ResolverWish): Promise<void> {
    const { changes } = this.#deps;
    // First, so that what is seen is what is there without us.
    if (this.#current !== undefined && !(await this.#isInForce())) await this.#takeOut();
    const planned = await this.#plan(wish);
    if (planned.change === undefined) {
      this.#state = planned.state;
      return;
    }
    if (!isDeepStrictEqual(planned.change, this.#current)) {
      await this.#takeOut();
      await changes.make("dns", planned.change);
      this.#current = planned.change;
    }
    this.#seen = await this.#readConf();
    this.#state = planned.state;
  }

  async #takeOut(): Promise<void> {
    if (this.#current !== undefined) await this.#deps.changes.takeBack("dns", this.#current);
    this.#current = undefined;
  }

  async #plan(wish: ResolverWish): Promise<{ change?: HostChange; state: ResolverState }> {
    const { interface: device, servers, domain, zones, isDefault } = wish;
    const { manager, reason } = await this.#manager();
    const state = { manager, inForce: true, reason };
    if (manager === "systemd-resolved") {
      const domains = [domain, ...zones.map((zone) => `~${zone}`), ...(isDefault ? ["~."] : [])];
      return { change: { kind: "resolved-link", interface: device, servers: [...servers], domains, isDefault }, state };
    }
    const former = await readFormerConf(this.#files);
    const text = { network: this.#network, servers, domain };
    if (manager !== "resolv.conf") {
      const program = manager === "openresolv" ? ("openresolv" as const) : ("debian" as const);
      // Debian's takes records in the order of the interfaces' names, those of `lo` first, and no more after a loopback address.
      const record = program === "openresolv" ? device.name : `lo.${device.name}`;
      const conf = markedConf({ ...text, former: { text: former } }).replace(/^#.*\n/gm, "");
      return { change: { kind: "resolvconf-record", program, record, text: conf }, state };
    }
    // Of our own, nothing new is to be said.
    if (this.#current?.kind === "file" && this.#current.after.includes(serverLines(servers))) {
      return { change: this.#current, state };
    }
    const path = this.#files.resolvConf;
    let before = await readFileState(path);
    const owner = before.is === "file" ? networkOfMarked(before.text) : undefined;
    if (owner !== undefined && owner !== this.#network) {
      const taken = `the mesh network ${owner} has ${path}: \`mesh --network ${owner} down\` or \`undo\` gives it back`;
      const word = (await this.#deps.owner?.(owner)) ?? { isAsked: false, reason: taken };
      if (word !== "gone") return { state: { manager, inForce: word.isAsked, reason: word.reason } };
    }
    if (owner !== undefined && before.is === "file") before = stateBeforeMarked(before.text);
    const link = before.is === "link" ? resolvedFrom(path, before.target) : undefined;
    const what = link === undefined ? { text: former } : { file: link, text: former };
    return { change: { kind: "file", path, before, after: markedConf({ ...text, former: what }) }, state };
  }

  async #manager(): Promise<ChosenManager> {
    const { resolvers } = this.#deps.changes.tools;
    // While it is ours it was nobody else's when we came.
    if (this.#current?.kind === "file" && (await this.#isInForce())) {
      return { manager: "resolv.conf", reason: this.#state.reason };
    }
    return chooseManager({
      ...(await this.#readConf()),
      hasResolved: () => resolvers.hasResolved(),
      resolvconf: () => resolvers.resolvconfProgram(),
    });
  }

  /** What we put in is still there, and still what this host's programs go by. */
  async #isInForce(): Promise<boolean> {
    const current = this.#current;
    if (current === undefined) return false;
    if (current.kind !== "file") {
      const conf = await this.#readConf();
      return isDeepStrictEqual(conf, this.#seen) || this.#leadsToNeighbours(conf);
    }
    const now = await readFileState(current.path);
    return now.is === "file" && now.text === current.after;
  }

  /** openresolv asks the latest record of its kind alone. */
  #leadsToNeighbours({ text }: SeenConf): boolean {
    const [servers, askedBy] = [serversIn(text), this.#deps.askedBy?.() ?? []];
    return servers.length > 0 && servers.every((server) => askedBy.includes(server));
  }

  async #readConf(): Promise<SeenConf> {
    const { resolvConf } = this.#files;
    try {
      const realPath = await realpath(resolvConf);
      return { realPath, text: await readFile(realPath, "latin1") };
    } catch (failure) {
      if (errnoOf(failure) !== "ENOENT") throw failure;
      return { realPath: undefined, text: "" };
    }
  }
}

function serverLines(servers: readonly string[]): string {
  return servers.map((server) => `nameserver ${server}\n`).join("");
}

function resolvedFrom(path: string, target: string): string {
  return isAbsolute(target) ? target : join(dirname(path), target);
}
