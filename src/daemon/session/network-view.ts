import type { MapPeer, NetworkMap } from "../../api/network-map.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { MapCache } from "../../control/map-cache.ts";
import { type MapExpectation, type Verification, type VerifiedMap, verifyMap } from "../../control/map-verifier.ts";
import { acceptPeer, awaitingAcceptance, checkPins, type Pin } from "../../control/pins.ts";
import type { Warnings } from "../warnings.ts";

/** Pins that lapse are told so often that their peers are still there: seldom beside the time after which they lapse. */
const SEEN_AGAIN_MS = 3_600_000;

/**
 * The verified map and the pins: takes what the coordinator sends, lets through what stands up to the pins, and keeps it on
 * disk for a start without the coordinator.
 */
export class NetworkView {
  readonly #expected: MapExpectation;
  readonly #cache: MapCache;
  readonly #warnings: Warnings;
  readonly #logger: Logger;
  #map: VerifiedMap | undefined;
  #seenAtMs = 0;
  #pins: readonly Pin[];
  /** Of the latest map. */
  #violations: Verification["violations"] = [];
  #saving: Promise<void> | undefined;
  #dirty = false;
  #saveFailure: unknown;

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
        view.take(cached.map, cached.seenAtMs);
      } catch (failure) {
        deps.logger.warn({ err: failure }, "the cached map was left aside");
      }
    }
    return view;
  }

  get map(): VerifiedMap | undefined {
    return this.#map;
  }

  /**
   * Verifies `map`, then makes it the one in force; a refused map changes nothing.
   * @param seenAtMs see `PinContext`
   * @throws MeshError `map-refused`
   */
  take(map: NetworkMap, seenAtMs: number): VerifiedMap {
    const verified = verifyMap(map, this.#expected, this.#pins, seenAtMs);
    for (const { name, reason } of verified.violations) this.#logger.warn({ peer: name }, `kept out: ${reason}`);
    this.#violations = verified.violations;
    this.#pins = verified.pins;
    this.#map = verified.map;
    this.#seenAtMs = seenAtMs;
    this.#warn(verified.map);
    this.#save();
    return verified.map;
  }

  /** The map in force was still the coordinator's latest at that time: long after it came, where nothing changes. */
  seenAgain(seenAtMs: number): void {
    if (this.#map === undefined || Math.abs(seenAtMs - this.#seenAtMs) < SEEN_AGAIN_MS) return;
    this.#seenAtMs = seenAtMs;
    const { pins } = checkPins(this.#pins, this.#map.peers, { networkId: this.#expected.networkId, seenAtMs });
    this.#pins = pins;
    this.#save();
  }

  /**
   * Takes the keys of the peer of this name for right: those with which it is kept out, or under which it took the name over.
   * The next map lets it in; another that comes with others is kept out again.
   * @throws MeshError `not-found` where nothing waits for it
   */
  async accept(name: string): Promise<MapPeer> {
    const map = this.#map;
    const refused = this.#violations.flatMap(({ peer }) => peer ?? []);
    const waiting = [...refused, ...awaitingAcceptance(this.#pins, map?.peers ?? [])];
    const peer = waiting.find((candidate) => candidate.name === name);
    if (peer === undefined) {
      throw new MeshError("not-found", `there is nothing to accept of a peer ${name}`, {
        hint: "`mesh status` names the peers that are kept out, and those that came under another machine's name.",
      });
    }
    // Before anything is waited for: a map that comes meanwhile adds its pins to these.
    this.#pins = acceptPeer(this.#pins, peer, { networkId: this.#expected.networkId, seenAtMs: this.#seenAtMs });
    if (map !== undefined) this.#warn(map);
    this.#save();
    await this.flush();
    if (this.#saveFailure !== undefined) throw this.#saveFailure;
    this.#logger.info({ peer: name, publicKey: peer.wireguardKey }, "its keys were accepted");
    return peer;
  }

  /** What could not be written is written as soon as it can be. To be called now and then. */
  keep(): void {
    if (this.#saveFailure !== undefined) this.#save();
  }

  /** Returns once what is known is on disk. */
  async flush(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
  }

  #warn(map: VerifiedMap): void {
    const lines = new Map<string, string>();
    for (const { name, reason, peer } of this.#violations) {
      const way =
        peer === null
          ? ""
          : `; if its machine was replaced by the one with ${peer.wireguardKey}: mesh peers accept ${name}`;
      lines.set(name, `peer ${name} is kept out: ${reason}${way}`);
    }
    for (const { name, wireguardKey } of awaitingAcceptance(this.#pins, map.peers)) {
      const line = `peer ${name} is another machine than before, with the key ${wireguardKey}, by the coordinator's word that the former one is gone; if that is right: mesh peers accept ${name}`;
      lines.set(`${name} `, line);
    }
    this.#warnings.replaceGroup("pin ", lines);
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
        await this.#cache.save({ map: this.#map, seenAtMs: this.#seenAtMs, pins: this.#pins });
        this.#saveFailure = undefined;
        this.#warnings.clear("cache write");
      } catch (failure) {
        if (this.#saveFailure === undefined) {
          this.#logger.error({ err: failure }, "the network map cannot be kept on disk");
          this.#warnings.set("cache write", "the network map cannot be kept on disk; see the log");
        }
        this.#saveFailure = failure;
      }
    }
  }
}
