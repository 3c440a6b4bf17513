import { createHash } from "node:crypto";
import type { MapFilterRule } from "../../api/network-map.ts";
import type { Peer, Registry } from "../registry.ts";
import { RuleAudience } from "./rules-of-peer.ts";

interface Told {
  readonly digest: string;
  readonly sinceVersion: number;
}

const NOTHING_TOLD: Told = { digest: digestOf([]), sinceVersion: 0 };

/** What peers were told of the network's filter rules last, so that they are told again only when that is something else. */
export class ToldRules {
  readonly #registry: Registry;
  /** By peer: a digest of what it is told, and the version since when that is so. */
  readonly #told = new Map<number, Told>();
  #audience: RuleAudience | undefined;
  #audienceVersion = -1;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  whole(viewer: Peer): readonly MapFilterRule[] {
    const { filterRulesVersion, version, filterRules } = this.#registry;
    if (this.#audience === undefined || this.#audienceVersion !== filterRulesVersion) {
      this.#audience = new RuleAudience(filterRules, this.#registry);
      this.#audienceVersion = filterRulesVersion;
      this.#forgetTheGone();
    }
    const rules = this.#audience.rulesOf(viewer);
    const digest = digestOf(rules);
    if (this.#lastTold(viewer).digest !== digest) this.#told.set(viewer.id, { digest, sinceVersion: version });
    return rules;
  }

  /** All of them, for a viewer that has those of `version`; undefined where these are the same. */
  since(viewer: Peer, version: number): readonly MapFilterRule[] | undefined {
    if (this.#registry.filterRulesVersion <= version) return undefined;
    const rules = this.whole(viewer);
    return this.#lastTold(viewer).sinceVersion > version ? rules : undefined;
  }

  #lastTold({ id }: Peer): Told {
    return this.#told.get(id) ?? NOTHING_TOLD;
  }

  #forgetTheGone(): void {
    for (const id of this.#told.keys()) if (this.#registry.byId(id) === undefined) this.#told.delete(id);
  }
}

function digestOf(rules: readonly MapFilterRule[]): string {
  return createHash("sha256").update(JSON.stringify(rules)).digest("base64");
}
