import { type FilterRule, formatFilterRule } from "../api/filter-rule.ts";
import type { FilterDefaults, FilterEntry, FilterView } from "../api/local-filter.ts";
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
  const notes = rules.flatMap(({ id, note }) => (note === null ? [] : [`${id} changes nothing: ${note}`]));
  return [head, renderTable(COLUMNS, rules), ...(notes.length === 0 ? [] : [notes.join("\n")])].join("\n\n");
}

const COLUMNS = [
  { title: "ID", cell: (rule: FilterEntry) => rule.id },
  { title: "LAYER", cell: (rule: FilterEntry) => rule.layer },
  { title: "ACTION", cell: (rule: FilterEntry) => rule.action },
  { title: "DIRECTION", cell: (rule: FilterEntry) => rule.direction },
  { title: "PROTOCOL", cell: (rule: FilterEntry) => rule.protocol },
  { title: "PORTS", cell: (rule: FilterEntry) => rule.ports },
  { title: "FROM", cell: (rule: FilterEntry) => rule.source },
  { title: "TO", cell: (rule: FilterEntry) => rule.destination },
  { title: "HITS", cell: (rule: FilterEntry) => String(rule.hits), align: "right" },
  { title: "EXPIRES", cell: (rule: FilterEntry) => rule.expiresAt ?? "never" },
  { title: "COMMENT", cell: (rule: FilterEntry) => rule.comment ?? "" },
] as const;

/** `1f2e3d4c: deny in tcp 22 from peer:bob to any`. */
export function renderEntry(entry: FilterRule & { readonly id: string; readonly expiresAt: string | null }): string {
  const until = entry.expiresAt === null ? "" : `, until ${entry.expiresAt}`;
  return `${entry.id}: ${formatFilterRule(entry)}${until}`;
}
