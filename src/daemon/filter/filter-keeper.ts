import { randomBytes } from "node:crypto";
import { type FilterDirection, type FilterLayer, type FilterRule, formatFilterRule } from "../../api/filter-rule.ts";
import type {
  FilterAdd,
  FilterDefaultRequest,
  FilterDefaults,
  FilterEntry,
  FilterRemove,
  FilterView,
} from "../../api/local-filter.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import type { FilterSettings } from "../../api/peer-config.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { FilterCells } from "../../filter/filter-cells.ts";
import type { FilterPolicy, OneWay } from "../../filter/policy.ts";
import { resolveRule } from "../../filter/resolve-rule.ts";
import type { NetworkState } from "../networks/network-state.ts";
import { HitSlots } from "./hit-slots.ts";
import { type LocalFilter, type LocalRule, MAX_LOCAL_RULES, NO_LOCAL_FILTER } from "./local-rules.ts";

/** setTimeout takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const ID_BYTES = 4;
/** Of the rules that a removal could mean, so many are named. */
const NAMED_CANDIDATES = 10;

/** Layers whose rules come from elsewhere in the daemon: what the coordinator rules, and what our own listeners need. */
export type GivenLayer = Extract<FilterLayer, "coordinator" | "service">;

export interface GivenRule {
  readonly id: string;
  readonly rule: FilterRule;
  readonly expiresAt: string | null;
}

/** What of the network map the filter follows from. */
export type FilteredNetwork = Pick<NetworkMap, "self" | "peers" | "cidrs" | "filterRules">;

interface LayeredRule extends GivenRule {
  readonly layer: FilterLayer;
}

export interface FilterKeeperOptions {
  readonly file: NetworkState["filter"];
  /** What the configuration says. */
  readonly settings: FilterSettings;
}

export interface FilterKeeperDeps {
  readonly clock: Clock;
  readonly cells: Pick<FilterCells, "hits" | "connections">;
  /** Puts it in force; peers are called by their WireGuard keys. */
  readonly apply: (policy: FilterPolicy<string>) => void;
}

/**
 * The layers of the packet filter, and the way from there to what the data plane is told. Local rules are kept on disk, and go
 * when their time is over.
 */
export class FilterKeeper implements AsyncDisposable {
  readonly #file: NetworkState["filter"];
  readonly #deps: FilterKeeperDeps;
  readonly #slots: HitSlots;
  readonly #given = new Map<GivenLayer, readonly GivenRule[]>();
  #configured: FilterSettings;
  #local: LocalFilter;
  #network: FilteredNetwork;
  #timer: NodeJS.Timeout | undefined;
  /** Changes come one after the other: each is on disk before the next begins. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    options: FilterKeeperOptions,
    deps: FilterKeeperDeps,
    local: LocalFilter,
    network: FilteredNetwork,
  ) {
    this.#file = options.file;
    this.#configured = options.settings;
    this.#deps = deps;
    this.#slots = new HitSlots(deps.cells);
    this.#local = local;
    this.#network = network;
    this.#given.set("coordinator", network.filterRules);
  }

  /** With the rules on disk in force. @throws MeshError `state-damaged` */
  static async open(
    options: FilterKeeperOptions,
    deps: FilterKeeperDeps,
    network: FilteredNetwork,
  ): Promise<FilterKeeper> {
    const keeper = new FilterKeeper(options, deps, (await options.file.read()) ?? NO_LOCAL_FILTER, network);
    keeper.expire();
    return keeper;
  }

  view(): FilterView {
    return {
      defaults: this.#defaults(),
      rules: this.#layers().map((one) => this.#entryOf(one)),
      connections: this.#deps.cells.connections,
    };
  }

  /** The rule that this cell counts for. */
  ruleAt(slot: number): { readonly layer: FilterLayer; readonly id: string; readonly rule: FilterRule } | undefined {
    const key = this.#slots.idOf(slot);
    return this.#layers().find((one) => slotKey(one) === key);
  }

  /** Names in rules mean what they mean in this map from now on, and the rules of the network are those in it. */
  setNetwork(network: FilteredNetwork): void {
    this.#network = network;
    this.#given.set("coordinator", network.filterRules);
    this.#apply();
  }

  /** Another word of the configuration. */
  configure(settings: FilterSettings): void {
    this.#configured = settings;
    this.#apply();
  }

  /** Replaces the rules of a layer that comes from elsewhere. */
  setLayer(layer: GivenLayer, rules: readonly GivenRule[]): void {
    this.#given.set(layer, rules);
    this.#apply();
  }

  /** @throws MeshError `not-found` for a name that nobody has, `filter-rule-exists`, `filter-full` */
  add({ rule, ttlSeconds }: FilterAdd): Promise<FilterEntry> {
    return this.#inTurn(async () => {
      const { note, isUnknown } = resolveRule(rule, 0, this.#network);
      if (note !== null && isUnknown) throw new MeshError("not-found", note, { hint: "See `mesh peers`." });
      const text = formatFilterRule(rule);
      const rules = this.#liveRules();
      const twin = rules.find((one) => formatFilterRule(one.rule) === text);
      if (twin !== undefined) throw new MeshError("filter-rule-exists", `${twin.id} says the same: ${text}`);
      if (rules.length >= MAX_LOCAL_RULES) {
        throw new MeshError("filter-full", `${MAX_LOCAL_RULES} rules of \`mesh filter add\` are all there can be`);
      }
      const expiresAt = ttlSeconds === null ? null : new Date(this.#wallMs() + ttlSeconds * 1000).toISOString();
      const added: LocalRule = { id: randomBytes(ID_BYTES).toString("hex"), rule, expiresAt };
      await this.#change({ ...this.#local, rules: [...rules, added] });
      return this.#entryOf({ ...added, layer: "local" });
    });
  }

  /** Removes the one rule that is meant. @throws MeshError `not-found`, `filter-ambiguous`, `filter-rule-fixed` */
  remove(request: FilterRemove): Promise<FilterEntry> {
    return this.#inTurn(async () => {
      const doomed = this.#find(request);
      const entry = this.#entryOf(doomed);
      await this.#change({ ...this.#local, rules: this.#liveRules().filter(({ id }) => id !== doomed.id) });
      return entry;
    });
  }

  setDefault({ direction, verdict }: FilterDefaultRequest): Promise<FilterDefaults> {
    return this.#inTurn(async () => {
      const { [direction]: _, ...others } = this.#local.defaults;
      const defaults = verdict === null ? others : { ...others, [direction]: verdict };
      await this.#change({ ...this.#local, defaults });
      return this.#defaults();
    });
  }

  /** What has expired is out of force at once, and off the disk when that can be written. Also for after a sleep. */
  expire(): void {
    this.#apply();
    if (this.#liveRules().length === this.#local.rules.length) return;
    this.#inTurn(() => this.#change({ ...this.#local, rules: this.#liveRules() })).catch(() => undefined);
  }

  /** Returns once what is known is on disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    // A change under way sets the timer anew.
    await this.#turn;
    clearTimeout(this.#timer);
  }

  #find(request: FilterRemove): LayeredRule {
    const layers = this.#layers();
    if ("id" in request) {
      const found = layers.find(({ id }) => id === request.id);
      if (found === undefined) throw new MeshError("not-found", `there is no filter rule ${request.id}`, HINT);
      if (found.layer === "local") return found;
      const hint = `An admin removes it: \`mesh filter remove ${found.id} --scope network\`.`;
      const why = `${found.id} is a rule of the layer ${found.layer}`;
      throw new MeshError("filter-rule-fixed", why, found.layer === "coordinator" ? { hint } : {});
    }
    const wanted = Object.entries(request.match);
    const fitting = layers.filter(
      ({ layer, rule }) => layer === "local" && wanted.every(([key, value]) => rule[key as keyof FilterRule] === value),
    );
    const [only] = fitting;
    if (only === undefined) throw new MeshError("not-found", "no rule of `mesh filter add` says that", HINT);
    if (fitting.length === 1) return only;
    const named = fitting.slice(0, NAMED_CANDIDATES).map(({ id, rule }) => `${id} (${formatFilterRule(rule)})`);
    const rest = fitting.length > named.length ? ` and ${fitting.length - named.length} more` : "";
    throw new MeshError("filter-ambiguous", `${fitting.length} rules say that: ${named.join(", ")}${rest}`);
  }

  /** On disk first: what cannot be kept is not in force either. */
  async #change(local: LocalFilter): Promise<void> {
    await this.#file.write(local);
    this.#local = local;
    this.#apply();
  }

  #apply(): void {
    const layers = this.#layers();
    this.#slots.keep(new Set(layers.map(slotKey)));
    const { in: incoming, out: outgoing } = this.#defaults();
    this.#deps.apply({
      rules: layers.map((one) => resolveRule(one.rule, this.#slots.slotOf(slotKey(one)), this.#network).rule),
      defaults: { in: incoming.verdict, out: outgoing.verdict },
      oneWay: oneWayPeers(this.#network),
    });
    this.#wakeAtNextExpiry(layers);
  }

  #wakeAtNextExpiry(layers: readonly LayeredRule[]): void {
    clearTimeout(this.#timer);
    const nextMs = Math.min(...layers.map(({ expiresAt }) => expiryMs(expiresAt)));
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.expire(), Math.min(Math.max(0, nextMs - this.#wallMs()), MAX_TIMER_MS));
  }

  #layers(): LayeredRule[] {
    const layered = (layer: FilterLayer, rules: readonly GivenRule[]) => rules.map((one) => ({ ...one, layer }));
    const configured = this.#configured.rules.map((rule, i) => ({
      id: `config-${i + 1}`,
      rule,
      expiresAt: null,
    }));
    return [
      ...layered("coordinator", this.#given.get("coordinator") ?? []),
      ...layered("config", configured),
      ...layered("local", this.#liveRules()),
      ...layered("service", this.#given.get("service") ?? []),
    ].filter(({ expiresAt }) => expiryMs(expiresAt) > this.#wallMs());
  }

  #liveRules(): LocalRule[] {
    return this.#local.rules.filter(({ expiresAt }) => expiryMs(expiresAt) > this.#wallMs());
  }

  #defaults(): FilterDefaults {
    const of = (direction: FilterDirection): FilterDefaults["in"] => {
      const commanded = this.#local.defaults[direction];
      if (commanded !== undefined) return { verdict: commanded, from: "command" };
      const configured = this.#configured.defaults[direction];
      return configured === undefined
        ? { verdict: "allow", from: "built-in" }
        : { verdict: configured, from: "configuration" };
    };
    return { in: of("in"), out: of("out") };
  }

  #entryOf(one: LayeredRule): FilterEntry {
    const { id, layer, rule, expiresAt } = one;
    return { id, layer, ...rule, hits: this.#hitsOf(one), expiresAt, note: this.#noteOf(rule) };
  }

  #noteOf(rule: FilterRule): string | null {
    const { note } = resolveRule(rule, 0, this.#network);
    if (note !== null || rule.action !== "allow") return note;
    const { direction } = rule;
    if (this.#defaults()[direction].verdict === "deny") return null;
    return `what no rule denies is allowed ${direction} anyway: see \`mesh filter default\``;
  }

  #hitsOf(one: LayeredRule): number {
    return this.#slots.has(slotKey(one)) ? this.#slots.hitsOf(slotKey(one)) : 0;
  }

  #wallMs(): number {
    return this.#deps.clock.wallMs();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

const HINT = { hint: "See `mesh filter list`." };

/** Ids are unique within a layer, but for what one rule of the network says to us in several. */
function slotKey({ layer, id, rule }: LayeredRule): string {
  return `${layer} ${id} ${rule.direction} ${rule.source} ${rule.destination}`;
}

function expiryMs(expiresAt: string | null): number {
  return expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
}

/** Peers between which and us one end only may start connections. */
function oneWayPeers({ peers }: FilteredNetwork): Map<string, OneWay> {
  const oneWay = new Map<string, OneWay>();
  for (const { wireguardKey, mayStart } of peers) if (mayStart !== "both") oneWay.set(wireguardKey, mayStart);
  return oneWay;
}
