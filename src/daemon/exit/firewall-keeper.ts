import type { HostChanges } from "../../host/changes/host-changes.ts";
import { FirewallWatch, type FirewallWatchDeps } from "../../host/firewall/firewall-watch.ts";

/** Watches the host's firewall for as long as something of ours is in it. */
export class FirewallKeeper implements Disposable {
  readonly #changes: HostChanges;
  readonly #deps: FirewallWatchDeps;
  #watch: FirewallWatch | undefined;

  constructor(changes: HostChanges, deps: FirewallWatchDeps) {
    this.#changes = changes;
    this.#deps = deps;
  }

  /** To be called every few seconds. */
  keep(): void {
    const isNeeded = this.#changes
      .list()
      .some(({ change }) => change.kind === "nft-table" || change.kind === "firewall-rule");
    if (isNeeded) this.#watch ??= new FirewallWatch(this.#deps);
    else this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }
}
