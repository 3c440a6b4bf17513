import type { NetworkMap } from "../api/network-map.ts";
import type { Logger } from "../base/logger.ts";
import type { MapCache } from "../control/map-cache.ts";
import { type MapExpectation, verifyMap } from "../control/map-verifier.ts";
import { forgetPins, type Pin } from "../control/pins.ts";
import type { Warnings } from "./warnings.ts";

/**
 * The verified map and the pins: takes what the coordinator sends, lets through what stands up to the pins, and keeps it on
 * disk for a start without the coordinator.
 */
export class NetworkView {
  readonly #expected: MapExpectation;
  readonly #cache: MapCache;
  readonly #warnings: Warnings;
  readonly #logger: Logger;
  #map: NetworkMap | undefined;
  #pins: readonly Pin[];
  #saving: Promise<void> | undefined;
  #dirty = false;

  private constructor(
    expected: MapExpectation,
    cache: MapCache,
    warnings: Warnings,
    logger: Logger,
    pins: readonly Pin[],
  ) {
    this.#expected = expected;
    this.#cache = cache;
    this.#warnings = warnings;
    this.#logger = logger;
    this.#pins = pins;
  }

  /** With the cached map, if there is one that stands up to the pins. */
  static async open(
    expected: MapExpectation,
    deps: { readonly cache: MapCache; readonly warnings: Warnings; readonly logger: Logger },
  ): Promise<NetworkView> {
    const cached = await deps.cache.load();
    deps.warnings.replaceGroup("cache ", new Map(cached.warnings.map((line) => [line, line])));
    const view = new NetworkView(expected, deps.cache, deps.warnings, deps.logger, cached.pins);
    if (cached.map !== undefined) {
      try {
        view.take(cached.map);
      } catch (failure) {
        deps.logger.warn({ err: failure }, "the cached map was left aside");
      }
    }
    return view;
  }

  get map(): NetworkMap | undefined {
    return this.#map;
  }

  /** Verifies `map`, then makes it the one in force; a refused map changes nothing. @throws MeshError `map-refused` */
  take(map: NetworkMap): NetworkMap {
    const verified = verifyMap(map, this.#expected, this.#pins);
    const lines = new Map(
      verified.violations.map(({ name, reason }) => [
        name,
        `peer ${name} is kept out: ${reason}; if its machine was replaced: mesh pins forget ${name}`,
      ]),
    );
    for (const { name, reason } of verified.violations) this.#logger.warn({ peer: name }, `kept out: ${reason}`);
    this.#warnings.replaceGroup("pin ", lines);
    this.#pins = verified.pins;
    this.#map = verified.map;
    this.#save();
    return verified.map;
  }

  /** Whether there was anything to forget. */
  async forget(name: string): Promise<boolean> {
    const remaining = forgetPins(this.#pins, name);
    if (remaining.length === this.#pins.length) return false;
    this.#pins = remaining;
    if (this.#map !== undefined) {
      this.#map = { ...this.#map, peers: this.#map.peers.filter((peer) => peer.name !== name) };
    }
    await this.flush();
    await this.#cache.savePins(remaining);
    return true;
  }

  /** Returns once what is known is on disk. */
  async flush(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
  }

  /** One write at a time, and the last state last. */
  #save(): void {
    this.#dirty = true;
    this.#saving ??= this.#writeWhileDirty().finally(() => {
      this.#saving = undefined;
    });
  }

  async #writeWhileDirty(): Promise<void> {
    while (this.#dirty && this.#map !== undefined) {
      this.#dirty = false;
      try {
        await this.#cache.save(this.#map, this.#pins);
        this.#warnings.clear("cache write");
      } catch (failure) {
        this.#logger.error({ err: failure }, "the network map cannot be kept on disk");
        this.#warnings.set("cache write", "the network map cannot be kept on disk; see the log");
      }
    }
  }
}
