import { formatFilterRule } from "../../api/filter-rule.ts";
import type { FilterDefaults, FilterEntry, FilterView } from "../../api/local-filter.ts";
import type { NetworkFilterEntry } from "../../api/network-filter.ts";
import { renderTable } from "./table.ts";

const FROM = { command: "mesh filter default", configuration: "configuration file", "built-in": "built in" } as const;

export function renderDefaults({ in: incoming, out: outgoing }: FilterDefaults): string {
  const lines = [
    `what peers start, and no rule speaks of: ${incoming.verdict} (${FROM[incoming.from]})`,
    `what this machine starts, and no rule speaks of: ${outgoing.verdict} (${FROM[outgoing.from]})`,
  ];
  return lines.join("\n");
}

/** `mesh filter list`, for people. */
export function renderFilter({ defaults, rules, connections }: FilterView): string {
  const head = `${renderDefaults(defaults)}\nconnections tracked: ${connections}`;
  if (rules.length === 0) return `${head}\nno rules`;
  const table = renderTable(
    [...ID, { title: "DIRECTION", cell: ({ direction }) => direction }, ...WHAT, HITS, ...REST],
    rules,
  );
  return [head, table, ...notesOf(rules)].join("\n\n");
}

/** `mesh filter list --scope network`, for people. */
export function renderNetworkFilter(rules: readonly NetworkFilterEntry[]): string {
  if (rules.length === 0) return "no rules";
  return [renderTable([...ID, ...WHAT, ...REST], rules), ...notesOf(rules)].join("\n\n");
}

type Entry = FilterEntry | NetworkFilterEntry;

/** A rule of the network that holds in one direction here changes something, whatever is noted of the other. */
function notesOf(rules: readonly Entry[]): string[] {
  const inForce = new Set(rules.filter(({ note }) => note === null).map(({ id }) => id));
  const notes = rules.filter(({ id }) => !inForce.has(id)).map(({ id, note }) => `${id} changes nothing: ${note}`);
  return notes.length === 0 ? [] : [notes.join("\n")];
}

const ID = [
  { title: "ID", cell: (rule: Entry) => rule.id },
  { title: "LAYER", cell: (rule: Entry) => rule.layer },
  { title: "ACTION", cell: (rule: Entry) => rule.action },
] as const;
const WHAT = [
  { title: "PROTOCOL", cell: (rule: Entry) => rule.protocol },
  { title: "PORTS", cell: (rule: Entry) => rule.ports },
  { title: "FROM", cell: (rule: Entry) => rule.source },
  { title: "TO", cell: (rule: Entry) => rule.destination },
] as const;
const HITS = { title: "HITS", cell: (rule: FilterEntry) => String(rule.hits), align: "right" } as const;
const REST = [
  { title: "EXPIRES", cell: (rule: Entry) => rule.expiresAt ?? "never" },
  { title: "COMMENT", cell: (rule: Entry) => rule.comment ?? "" },
] as const;

/** `1f2e3d4c: deny in tcp 22 from peer:bob to any`. */
export function renderEntry(entry: Entry): string {
  const until = entry.expiresAt === null ? "" : `, until ${entry.expiresAt}`;
  return `${entry.id}: ${formatFilterRule(entry)}${until}`;
}
