import { type Endpoint, isPipe, isSameRemote } from "../../packet/endpoint.ts";
import { MAX_PATHS } from "../shared/path-cells.ts";

/** Paths of a peer that are left for addresses from which it is heard, though nobody has told of them. */
const LEARNED_PATHS = 2;

/** Where a path leads. */
interface Slot {
  readonly endpoint: Endpoint;
  /** The peer was heard from there, though nobody had told us of the address. */
  readonly isLearned: boolean;
}

/** The numbers of one peer's paths: the endpoints that we were told of, and those from which it was heard. */
export class PathSlots {
  readonly #slots: (Slot | undefined)[] = new Array(MAX_PATHS).fill(undefined);

  /** Of `candidates`, those that get a number: pipes first, which are few, and work where nothing else does. */
  static choose(candidates: readonly Endpoint[]): readonly Endpoint[] {
    const pipesFirst = [...candidates.filter(isPipe), ...candidates.filter((endpoint) => !isPipe(endpoint))];
    return pipesFirst.slice(0, MAX_PATHS - LEARNED_PATHS);
  }

  endpointOf(path: number): Endpoint | undefined {
    return this.#slots[path]?.endpoint;
  }

  /** The path that leads to `endpoint`, -1 for none. */
  find(endpoint: Endpoint): number {
    return this.#slots.findIndex((slot) => slot !== undefined && isSameRemote(slot.endpoint, endpoint));
  }

  entries(): { readonly path: number; readonly endpoint: Endpoint }[] {
    return this.#slots.flatMap((slot, path) => (slot === undefined ? [] : [{ path, endpoint: slot.endpoint }]));
  }

  /**
   * We are told of `told` and no other; what `isKept` says of stays all the same, as if it had been learned: it works,
   * whoever told us or did not. Returns the paths that are gone.
   */
  keepOnly(told: readonly Endpoint[], isKept: (path: number, endpoint: Endpoint) => boolean): number[] {
    const gone: number[] = [];
    for (const [path, slot] of this.#slots.entries()) {
      if (slot === undefined || slot.isLearned) continue;
      if (told.some((endpoint) => isSameRemote(endpoint, slot.endpoint))) continue;
      if (isKept(path, slot.endpoint)) {
        this.#slots[path] = { ...slot, isLearned: true };
        continue;
      }
      this.#slots[path] = undefined;
      gone.push(path);
    }
    return gone;
  }

  /**
   * Gives the endpoint a number, where it has none yet; a learned one that is not in use makes room for it. Undefined when
   * it has one already, or there is no room.
   */
  assign(endpoint: Endpoint, isLearned: boolean, isInUse: (path: number) => boolean): number | undefined {
    const known = this.find(endpoint);
    if (known >= 0) {
      if (!isLearned) this.#slots[known] = { endpoint, isLearned };
      return undefined;
    }
    let path = this.#slots.indexOf(undefined);
    if (path < 0) path = this.#slots.findIndex((slot, number) => slot?.isLearned && !isInUse(number));
    if (path < 0) return undefined;
    this.#slots[path] = { endpoint, isLearned };
    return path;
  }

  /** The address at which a path knows us may be gone, or be a way to nowhere. */
  forgetSources(): void {
    for (const [path, slot] of this.#slots.entries()) {
      if (slot === undefined || isPipe(slot.endpoint)) continue;
      const { address, port } = slot.endpoint;
      this.#slots[path] = { ...slot, endpoint: { address, port } };
    }
  }
}
