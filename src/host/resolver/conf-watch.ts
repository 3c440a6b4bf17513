import { existsSync, type FSWatcher, readFileSync, readlinkSync, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { type ResolverFiles, SYSTEM_RESOLVER_FILES } from "./former-conf.ts";
import { formerOfMarked, networkOfMarked } from "./marked-conf.ts";

/** So long after a first word of a change all that belongs to it is taken as one. */
const SETTLE_MS = 50;
/** What inotify does not tell: of a file in a directory that came later, or on a file system of others. */
const POLL_MS = 30_000;
/** Where the kernel gives no more watches. */
const POLL_UNWATCHED_MS = 2000;
/** The kernel follows no more links than that (path_resolution(7)). */
const MAX_LINKS = 40;

/** Tells when what this host's resolver files say may have changed; also without, now and then. */
export class ConfWatch implements Disposable {
  readonly #files: ResolverFiles;
  readonly #onChange: () => void;
  /** By path. */
  readonly #watchers = new Map<string, FSWatcher>();
  /** Names that matter in a directory; all of them where none are listed. */
  #names: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #settling: NodeJS.Timeout | undefined;

  constructor(onChange: () => void, files: ResolverFiles = SYSTEM_RESOLVER_FILES) {
    this.#files = files;
    this.#onChange = onChange;
    this.#watch();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** Links may lead elsewhere now, and what was replaced is another file. */
  #watch(): void {
    const { resolvConf, resolvedUplinks, resolvconfRecords } = this.#files;
    const steps = [...stepsTo(resolvConf), ...stepsTo(formerFileOf(resolvConf)), resolvedUplinks];
    const names = new Map<string, Set<string>>(resolvconfRecords.map((directory) => [directory, new Set()]));
    for (const step of steps) {
      const directory = dirname(step);
      names.set(directory, (names.get(directory) ?? new Set()).add(basename(step)));
    }
    this.#names = names;
    // The file itself as well: one that is a mount of its own is in no directory here.
    const wanted = [...names.keys(), ...steps].filter((path) => existsSync(path));
    for (const [path, watcher] of this.#watchers) {
      if (!names.has(path) || !wanted.includes(path)) this.#forget(path, watcher);
    }
    let isWatched = true;
    for (const path of wanted) isWatched = this.#add(path) && isWatched;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), isWatched ? POLL_MS : POLL_UNWATCHED_MS).unref();
  }

  /** @returns whether it is watched now */
  #add(path: string): boolean {
    if (this.#watchers.has(path)) return true;
    try {
      const watcher = watch(path, { persistent: false }, (_, name) => this.#heard(path, name));
      watcher.on("error", () => this.#forget(path, watcher));
      this.#watchers.set(path, watcher);
      return true;
    } catch {
      // No watch is left (inotify(7)), or it has just gone.
      return false;
    }
  }

  #forget(path: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(path) === watcher) this.#watchers.delete(path);
  }

  #heard(path: string, name: string | null): void {
    const names = this.#names.get(path);
    if (name !== null && names !== undefined && names.size > 0 && !names.has(name)) return;
    this.#settling ??= setTimeout(() => this.#look(), SETTLE_MS).unref();
  }

  #look(): void {
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#watch();
    this.#onChange();
  }
}

/** The path, and where links lead from it one after the other. */
function stepsTo(path: string | undefined): string[] {
  const steps: string[] = [];
  for (let step = path; step !== undefined && steps.length < MAX_LINKS; step = linkOf(step)) steps.push(step);
  return steps;
}

function linkOf(path: string): string | undefined {
  try {
    return resolve(dirname(path), readlinkSync(path));
  } catch {
    return undefined;
  }
}

/** Where the link led that a file of ours stands in place of. */
function formerFileOf(path: string): string | undefined {
  try {
    const text = readFileSync(path, "latin1");
    const former = networkOfMarked(text) === undefined ? undefined : formerOfMarked(text);
    return former !== undefined && "file" in former ? former.file : undefined;
  } catch {
    return undefined;
  }
}
