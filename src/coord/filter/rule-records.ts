import type { Registry } from "../registry.ts";
import { type Actor, recordEvent } from "../store/audit.ts";
import type { FilterRuleRow } from "../store/schema.ts";
import type { Reader, Writer } from "../store/store.ts";
import { describeRule, ruleOfRow, type StoredRule } from "./stored-rule.ts";

/** By whom and when, and whom to tell. */
export interface RuleChange {
  readonly registry: Registry;
  readonly actor: Actor;
  readonly nowMs: number;
}

/** The oldest first. */
export async function readRules(reader: Reader): Promise<StoredRule[]> {
  const rows = await reader.selectFrom("filter_rules").selectAll().orderBy("created_at").orderBy("id").execute();
  return rows.map(ruleOfRow);
}

/** Has the registry take over the rules, as they now are, after the commit. */
export async function applyRules({ db, afterCommit }: Writer, registry: Registry): Promise<void> {
  const rules = await readRules(db);
  afterCommit(() => registry.setFilterRules(rules));
}

/** Takes rules out: an admin removes them, their time is over, or a peer that they name goes. */
export async function deleteRules(
  writer: Writer,
  rows: readonly FilterRuleRow[],
  action: "filter.remove" | "filter.expire",
  { registry, actor, nowMs }: RuleChange,
): Promise<void> {
  if (rows.length === 0) return;
  for (const row of rows) {
    await writer.db.deleteFrom("filter_rules").where("id", "=", row.id).execute();
    await recordEvent(writer, nowMs, { actor, action, subject: row.id, before: auditedRule(row, registry) });
  }
  await applyRules(writer, registry);
}

/** Without the peer, a rule about it says nothing; its name may come to be another machine's. */
export async function deleteRulesOfPeer(writer: Writer, peerId: number, change: RuleChange): Promise<void> {
  const rows = await writer.db
    .selectFrom("filter_rules")
    .selectAll()
    .where((where) => where.or([where("source_peer_id", "=", peerId), where("destination_peer_id", "=", peerId)]))
    .execute();
  await deleteRules(writer, rows, "filter.remove", change);
}

export function auditedRule(row: FilterRuleRow, registry: Registry): object {
  const { id: _, layer: __, ...audited } = describeRule(ruleOfRow(row), registry);
  return audited;
}
