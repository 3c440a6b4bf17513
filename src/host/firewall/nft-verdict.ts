import { type ExplainedPacket, type Fit, fitOfMatch, isRecord } from "./nft-match.ts";

export interface FirewallVerdict {
  /** `clear`: nothing was found that plainly drops it. What only may drop it, by its rate or a set's content, does not count. */
  readonly state: "clear" | "drops";
  /** Which rule or policy, or how much was read. */
  readonly detail: string;
  /** Whose chain drops it; of `clear`, whose chain does unless a rule that we cannot judge lets it pass. */
  readonly by?: { readonly family: string; readonly table: string };
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string | undefined;
  readonly prio: number;
  readonly dropsByPolicy: boolean;
  readonly rules: Rule[];
}

interface Rule {
  readonly handle: number;
  readonly statements: readonly unknown[];
}

const HOOKS = { in: ["prerouting", "input"], out: ["output", "postrouting"] } as const;
const FORWARD_HOOKS = ["prerouting", "forward", "postrouting"];
/** Deeper jumps than the kernel allows are a ring. */
const MAX_JUMPS = 16;
/** Change nothing about whether a packet passes. */
const NEUTRAL = new Set(["counter", "log", "mangle", "notrack", "ct count", "flow", "last", "meta"]);

/**
 * What the ruleset (the JSON of `nft -j list ruleset`) does with the packet, where that is plain.
 * @param backend whose it is, for people
 */
export function verdictOfRuleset(ruleset: unknown, packet: ExplainedPacket, backend = "nftables"): FirewallVerdict {
  const chains = chainsOf(ruleset);
  const hooks: readonly string[] =
    packet.forwardedTo === undefined ? HOOKS[packet.isInbound ? "in" : "out"] : FORWARD_HOOKS;
  const families = ["inet", packet.family === 4 ? "ip" : "ip6"];
  const bases = chains
    .filter(({ hook, family }) => hook !== undefined && hooks.includes(hook) && families.includes(family))
    .sort((a, b) => hooks.indexOf(a.hook!) - hooks.indexOf(b.hook!) || a.prio - b.prio);
  let doubtful: Chain | undefined;
  for (const base of bases) {
    const walk = new Walk(chains, packet);
    const dropped =
      walk.through(base) ?? (walk.isOver || !base.dropsByPolicy ? undefined : `${nameOf(base)}: policy drop`);
    if (dropped === undefined) continue;
    const detail = backend === "nftables" ? dropped : `${backend}, ${dropped}`;
    if (!walk.mayHavePassed) return { state: "drops", detail, by: tableOf(base) };
    doubtful ??= base;
  }
  const read = bases.length === 1 ? "1 chain" : `${bases.length} chains`;
  return {
    state: "clear",
    detail: `nothing found that drops it (${backend}, ${read} read)`,
    ...(doubtful === undefined ? {} : { by: tableOf(doubtful) }),
  };
}

/** As `FAMILY TABLE CHAIN`. */
export function chainNames(ruleset: unknown): ReadonlySet<string> {
  return new Set(chainsOf(ruleset).map(({ family, table, name }) => `${family} ${table} ${name}`));
}

/** One packet's way through one base chain and what it jumps to. */
class Walk {
  /** It was accepted. */
  isOver = false;
  /** A rule that we cannot judge may have accepted it, or led it elsewhere. */
  mayHavePassed = false;
  readonly #chains: readonly Chain[];
  readonly #packet: ExplainedPacket;
  #jumps = 0;

  constructor(chains: readonly Chain[], packet: ExplainedPacket) {
    this.#chains = chains;
    this.#packet = packet;
  }

  /** Which rule drops it; undefined when it comes to the end, or was accepted (`isOver`). */
  through(chain: Chain): string | undefined {
    for (const rule of chain.rules) {
      const dropped = this.#by(rule, chain);
      if (dropped === "return") return undefined;
      if (dropped !== undefined || this.isOver) return dropped;
    }
    return undefined;
  }

  #by({ handle, statements }: Rule, chain: Chain): string | undefined {
    let fit: Fit = "yes";
    for (const statement of statements) {
      if (!isRecord(statement)) continue;
      const [kind = "", content] = Object.entries(statement)[0] ?? [];
      if (kind === "match") {
        const matched = fitOfMatch(content, this.#packet);
        if (matched === "no") return undefined;
        if (matched === "maybe") fit = "maybe";
      } else if (kind === "drop" || kind === "reject") {
        return fit === "yes" ? `${nameOf(chain)}: rule ${handle}, ${kind}` : undefined;
      } else if (!NEUTRAL.has(kind)) {
        return this.#goOn(kind, content, chain, fit);
      }
    }
    return undefined;
  }

  /** A statement that ends the rule otherwise than by dropping, or that we do not know. */
  #goOn(kind: string, content: unknown, chain: Chain, fit: Fit): string | undefined {
    const target = isRecord(content) ? this.#chains.find((one) => isTarget(one, chain, content.target)) : undefined;
    if (fit === "yes" && kind === "accept") this.isOver = true;
    else if (fit === "yes" && kind === "return") return "return";
    else if (fit === "yes" && (kind === "jump" || kind === "goto") && target !== undefined && this.#jumps < MAX_JUMPS) {
      this.#jumps++;
      const dropped = this.through(target);
      this.#jumps--;
      return dropped ?? (kind === "goto" ? "return" : undefined);
    } else this.mayHavePassed = true;
    return undefined;
  }
}

function isTarget(one: Chain, { family, table }: Chain, name: unknown): boolean {
  return one.family === family && one.table === table && one.name === name;
}

function chainsOf(ruleset: unknown): Chain[] {
  const objects = isRecord(ruleset) && Array.isArray(ruleset.nftables) ? ruleset.nftables : [];
  const chains: Chain[] = [];
  for (const object of objects) {
    if (!isRecord(object)) continue;
    const { chain, rule } = object;
    if (isRecord(chain)) chains.push(chainOf(chain));
    if (isRecord(rule)) {
      const home = chains.find(
        ({ family, table, name }) => family === rule.family && table === rule.table && name === rule.chain,
      );
      const statements = Array.isArray(rule.expr) ? rule.expr : [];
      home?.rules.push({ handle: Number(rule.handle), statements });
    }
  }
  return chains;
}

function chainOf(chain: Record<string, unknown>): Chain {
  const { family, table, name, hook, prio, policy } = chain;
  return {
    family: String(family),
    table: String(table),
    name: String(name),
    hook: typeof hook === "string" ? hook : undefined,
    prio: Number(prio ?? 0),
    dropsByPolicy: policy === "drop",
    rules: [],
  };
}

function tableOf({ family, table }: Chain): { readonly family: string; readonly table: string } {
  return { family, table };
}

function nameOf({ family, table, name }: Chain): string {
  return `table ${family} ${table}, chain ${name}`;
}
