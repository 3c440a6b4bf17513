import { type FSWatcher, mkdirSync, readdirSync, readFileSync, watch } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { errnoOf } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { writeFileAtomic } from "../../host/atomic-file.ts";
import { currentBoot } from "../../host/boot-id.ts";
import type { NetworkPaths } from "../networks/home.ts";
import { isServed } from "../unix-socket.ts";
import { type Neighbour, type Notice, noticeSchema } from "./notice.ts";

const NOTICE_NAME = /^peer-(.+)\.json$/;

export interface NeighboursDeps {
  readonly logger: Logger;
  readonly boot?: string;
}

/**
 * The other networks of this machine: daemons of one home tell each other what they have of the host, by a file each beside
 * their sockets, so that none needs the others to run.
 */
export class Neighbours implements AsyncDisposable {
  readonly #paths: Pick<NetworkPaths, "network" | "noticeFile">;
  readonly #logger: Logger;
  readonly #boot: string;
  readonly #watcher: FSWatcher | undefined;
  #own: Notice;
  #all: readonly Neighbour[] = [];
  #onChange: () => void = () => {};
  #turn: Promise<void> = Promise.resolve();

  private constructor(paths: Pick<NetworkPaths, "network" | "noticeFile">, own: Notice, deps: NeighboursDeps) {
    this.#paths = paths;
    this.#own = own;
    this.#logger = deps.logger;
    this.#boot = own.boot;
    const directory = dirname(paths.noticeFile);
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    this.#watcher = watched(directory, () => this.look());
    this.look();
  }

  static async open(
    paths: Pick<NetworkPaths, "network" | "noticeFile">,
    own: Omit<Neighbour, "network" | "dns">,
    deps: NeighboursDeps,
  ): Promise<Neighbours> {
    const boot = deps.boot ?? currentBoot();
    const notice: Notice = { version: 1, boot, network: paths.network, dns: null, ...own };
    const neighbours = new Neighbours(paths, notice, deps);
    await neighbours.#write();
    return neighbours;
  }

  /** In the order of their names. */
  get all(): readonly Neighbour[] {
    return this.#all;
  }

  /** What is reached by interfaces of theirs. */
  get reach(): readonly string[] {
    return this.#all.flatMap(({ reach }) => reach);
  }

  /** The network with this interface; undefined for one that is nobody's. */
  networkOf(interfaceName: string): string | undefined {
    return this.#all.find((one) => one.interface === interfaceName)?.network;
  }

  /** Its daemon runs: what it has told still holds. */
  async isAlive(network: string): Promise<boolean> {
    const isKnown = this.#all.some((one) => one.network === network);
    return isKnown && (await isServed(join(dirname(this.#paths.noticeFile), `peer-${network}.sock`)));
  }

  /** Calls `listener` when others have told something else than before, come or gone. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** What is new of ours. On the disk when this returns. */
  tell(news: Partial<Pick<Notice, "reach" | "exit" | "dns">>): Promise<void> {
    const next = { ...this.#own, ...news };
    if (isDeepStrictEqual(next, this.#own)) return this.#turn;
    this.#own = next;
    this.#turn = this.#turn.then(() => this.#write());
    return this.#turn;
  }

  /** Looks anew; to be called now and then, for where nothing can be watched. */
  look(): void {
    const all = this.#read();
    if (isDeepStrictEqual(all, this.#all)) return;
    this.#all = all;
    this.#onChange();
  }

  /** With an exit ours stays: the guard does as well, and others are not to ask for names around it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher?.close();
    this.#onChange = () => {};
    await this.#turn;
    if (!this.#own.exit) await withdrawNotice(this.#paths);
  }

  /** Never rejects: without it the others do not know of us, and everything of ours works. */
  async #write(): Promise<void> {
    try {
      await writeFileAtomic(this.#paths.noticeFile, `${JSON.stringify(this.#own, null, 2)}\n`, { mode: 0o600 });
    } catch (failure) {
      this.#logger.warn({ err: failure }, "other networks of this machine cannot be told of this one");
    }
  }

  #read(): readonly Neighbour[] {
    const directory = dirname(this.#paths.noticeFile);
    try {
      const files = readdirSync(directory).filter((name) => NOTICE_NAME.test(name));
      return files.sort().flatMap((file) => this.#neighbourIn(join(directory, file)));
    } catch (failure) {
      this.#logger.debug({ err: failure }, "other networks of this machine cannot be seen");
      return this.#all;
    }
  }

  #neighbourIn(file: string): Neighbour[] {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (failure) {
      if (errnoOf(failure) === "ENOENT") return [];
      throw failure;
    }
    // Of another version, or none at all: nothing to go by.
    const parsed = noticeSchema.safeParse(parsedJson(text));
    if (!parsed.success || parsed.data.boot !== this.#boot || parsed.data.network === this.#paths.network) return [];
    const { version: _, boot: __, ...neighbour } = parsed.data;
    return [neighbour];
  }
}

/** Once nothing of the network is left on this host, its guard neither. */
export async function withdrawNotice({ noticeFile }: Pick<NetworkPaths, "noticeFile">): Promise<void> {
  await rm(noticeFile, { force: true });
}

/** Undefined where the kernel gives no watch (inotify(7)). */
function watched(directory: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, (_, name) => {
      if (name === null || NOTICE_NAME.test(name)) onChange();
    });
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
