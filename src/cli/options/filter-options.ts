import type { z } from "zod";
import {
  type FilterRule,
  filterDefaultSchema,
  filterDirectionSchema,
  filterIdSchema,
  type NetworkRule,
  writtenFilterMatchSchema,
  writtenFilterRuleSchema,
} from "../../api/filter-rule.ts";
import type { FilterDefaultRequest, FilterRemove } from "../../api/local-filter.ts";
import type { NetworkFilterRemove } from "../../api/network-filter.ts";
import { MeshError } from "../../base/errors.ts";

/** The flags that say what a rule says; commander's names for them. */
export interface RuleFlags {
  readonly port?: string;
  readonly protocol?: string;
  readonly action?: string;
  readonly direction?: string;
  readonly sourcePeer?: string;
  readonly sourceCidr?: string;
  readonly sourceTag?: string;
  readonly destPeer?: string;
  readonly destCidr?: string;
  readonly destTag?: string;
  readonly comment?: string;
}

/** By the key of the configuration file; the flag is the same word with hyphens. */
const FLAG_OF_KEY: Readonly<Record<string, keyof RuleFlags>> = {
  port: "port",
  protocol: "protocol",
  action: "action",
  direction: "direction",
  source_peer: "sourcePeer",
  source_cidr: "sourceCidr",
  source_tag: "sourceTag",
  dest_peer: "destPeer",
  dest_cidr: "destCidr",
  dest_tag: "destTag",
  comment: "comment",
};

/** @throws MeshError `bad-usage` naming the flag */
export function parseRule(flags: RuleFlags): FilterRule {
  if (flags.action === undefined) {
    throw new MeshError("bad-usage", "say what the rule does", { hint: "--action allow, deny or reject." });
  }
  return parseWritten(writtenFilterRuleSchema, flags);
}

/** @throws MeshError `bad-usage` naming the flag */
export function parseNetworkRule(flags: RuleFlags): NetworkRule {
  requireNoDirection(flags);
  const { direction: _, ...rule } = parseRule(flags);
  return rule;
}

/** As `parseRemoval`, of a rule of the network. @throws MeshError `bad-usage` */
export function parseNetworkRemoval(id: string | undefined, flags: RuleFlags): NetworkFilterRemove {
  requireNoDirection(flags);
  const removal = parseRemoval(id, flags);
  if ("id" in removal) return removal;
  const { direction: _, ...match } = removal.match;
  return { match };
}

function requireNoDirection({ direction }: RuleFlags): void {
  if (direction === undefined) return;
  throw new MeshError("bad-usage", "a rule of the network has no direction: it holds at both ends of a connection", {
    hint: "Say who starts it by --source-…, and where it goes by --dest-….",
  });
}

/** Which rule is to go: `ID`, or flags. @throws MeshError `bad-usage` */
export function parseRemoval(id: string | undefined, flags: RuleFlags): FilterRemove {
  const match = parseWritten(writtenFilterMatchSchema, flags);
  const isByMatch = Object.keys(match).length > 0;
  if ((id === undefined) !== isByMatch) {
    const message = isByMatch ? "give an id, or what the rule says, not both" : "say which rule";
    throw new MeshError("bad-usage", message, { hint: "An id of `mesh filter list`, or flags as for `add`." });
  }
  if (id === undefined) return { match };
  if (filterIdSchema.safeParse(id).success) return { id };
  throw new MeshError("not-found", `${JSON.stringify(id)} is no id of a filter rule`, {
    hint: "See `mesh filter list`.",
  });
}

/** What `mesh filter default` is to change; undefined: nothing. @throws MeshError `bad-usage` */
export function parseDefaultChange(
  word: string | undefined,
  flags: { readonly direction?: string; readonly unset?: boolean },
): FilterDefaultRequest | undefined {
  const direction = parseWord(filterDirectionSchema, flags.direction ?? "in", "--direction is");
  if (flags.unset === true && word !== undefined) {
    throw new MeshError("bad-usage", "give a verdict, or --unset, not both");
  }
  if (flags.unset === true) return { direction, verdict: null };
  return word === undefined
    ? undefined
    : { direction, verdict: parseWord(filterDefaultSchema, word, "the default is") };
}

function parseWord<Schema extends z.ZodType>(schema: Schema, text: string, what: string): z.output<Schema> {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new MeshError("bad-usage", `${what} ${parsed.error.issues[0]?.message}, not ${JSON.stringify(text)}`);
}

function parseWritten<Schema extends z.ZodType>(schema: Schema, flags: RuleFlags): z.output<Schema> {
  const given = Object.entries(FLAG_OF_KEY).flatMap(([key, flag]) => {
    const value = flags[flag];
    return value === undefined ? [] : [[key, value] as const];
  });
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const flag = String(issue?.path[0] ?? "").replaceAll("_", "-");
  throw new MeshError("bad-usage", `--${flag}: ${issue?.message ?? "a wrong value"}`);
}
