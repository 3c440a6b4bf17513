import { randomBytes } from "node:crypto";
import { formatFilterRule, type NetworkRule, parseSelector } from "../../api/filter-rule.ts";
import type { NetworkFilterAdd, NetworkFilterEntry, NetworkFilterRemove } from "../../api/network-filter.ts";
import { MeshError } from "../../base/errors.ts";
import { findCidr } from "../cidrs/cidrs.ts";
import { tokenState } from "../joining/tokens.ts";
import { requirePeer } from "../peers/manage-peers.ts";
import type { Registry } from "../registry.ts";
import { recordEvent } from "../store/audit.ts";
import type { FilterRuleRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";
import { applyRules, auditedRule, deleteRules, type RuleChange } from "./rule-records.ts";
import { describeRule, isExpired, ruleOfRow, type StoredRule } from "./stored-rule.ts";

/** How admins change the rules that hold in the whole network. Peers learn of it by the deltas that this makes. */

/** Every peer is told those that concern it: a bound on what one admin's script may cost all of them. */
const MAX_NETWORK_RULES = 1000;
const ID_BYTES = 4;
/** Of the rules that a removal could mean, so many are named. */
const NAMED_CANDIDATES = 10;

/** The oldest first. */
export function listRules(registry: Registry, nowMs: number): NetworkFilterEntry[] {
  return registry.filterRules.filter((rule) => !isExpired(rule, nowMs)).map((rule) => entryOf(rule, registry));
}

/** @throws MeshError `not-found` for a name that nobody has, `filter-rule-exists`, `filter-full` */
export async function addRule(
  writer: Writer,
  { rule, ttlSeconds }: NetworkFilterAdd,
  change: RuleChange,
): Promise<NetworkFilterEntry> {
  const { registry, actor, nowMs } = change;
  const [sourcePeer, sourceCidr, sourceWord] = await endColumns(writer, rule.source, change);
  const [destinationPeer, destinationCidr, destinationWord] = await endColumns(writer, rule.destination, change);
  const rules = listRules(registry, nowMs);
  const text = formatFilterRule(rule);
  const twin = rules.find((one) => formatFilterRule(one) === text);
  if (twin !== undefined) {
    throw new MeshError("filter-rule-exists", `${twin.id} says the same: ${text}`, {
      hint: `Remove it first: \`mesh filter remove ${twin.id} --scope network\`.`,
    });
  }
  if (rules.length >= MAX_NETWORK_RULES) {
    throw new MeshError("filter-full", `${MAX_NETWORK_RULES} rules of the network are all there can be`);
  }
  const row: FilterRuleRow = {
    id: randomBytes(ID_BYTES).toString("hex"),
    action: rule.action,
    protocol: rule.protocol,
    ports: rule.ports,
    source_peer_id: sourcePeer,
    source_cidr_id: sourceCidr,
    source_word: sourceWord,
    destination_peer_id: destinationPeer,
    destination_cidr_id: destinationCidr,
    destination_word: destinationWord,
    comment: rule.comment,
    created_at: nowMs,
    expires_at: ttlSeconds === null ? null : nowMs + ttlSeconds * 1000,
  };
  await writer.db.insertInto("filter_rules").values(row).execute();
  await recordEvent(writer, nowMs, {
    actor,
    action: "filter.add",
    subject: row.id,
    after: auditedRule(row, registry),
  });
  await applyRules(writer, registry);
  return entryOf(ruleOfRow(row), registry);
}

/** Removes the one rule that is meant. @throws MeshError `not-found`, `filter-ambiguous` */
export async function removeRule(
  writer: Writer,
  request: NetworkFilterRemove,
  change: RuleChange,
): Promise<NetworkFilterEntry> {
  const doomed = findRule(listRules(change.registry, change.nowMs), request);
  const rows = await writer.db.selectFrom("filter_rules").selectAll().where("id", "=", doomed.id).execute();
  await deleteRules(writer, rows, "filter.remove", change);
  return doomed;
}

function findRule(rules: readonly NetworkFilterEntry[], request: NetworkFilterRemove): NetworkFilterEntry {
  if ("id" in request) {
    const found = rules.find(({ id }) => id === request.id);
    if (found === undefined) throw new MeshError("not-found", `there is no rule ${request.id} of the network`, HINT);
    return found;
  }
  const wanted = Object.entries(request.match);
  const fitting = rules.filter((rule) => wanted.every(([key, value]) => rule[key as keyof NetworkRule] === value));
  const [only] = fitting;
  if (only === undefined) throw new MeshError("not-found", "no rule of the network says that", HINT);
  if (fitting.length === 1) return only;
  const named = fitting.slice(0, NAMED_CANDIDATES).map((rule) => `${rule.id} (${formatFilterRule(rule)})`);
  const rest = fitting.length > named.length ? ` and ${fitting.length - named.length} more` : "";
  throw new MeshError("filter-ambiguous", `${fitting.length} rules say that: ${named.join(", ")}${rest}`);
}

const HINT = { hint: "See `mesh filter list --scope network`." };

type EndColumns = readonly [peerId: number | null, cidrId: number | null, word: string | null];

async function endColumns(writer: Writer, selector: string, change: RuleChange): Promise<EndColumns> {
  const parsed = parseSelector(selector);
  if (parsed === undefined) return [null, null, null];
  const { kind, word } = parsed;
  if (kind === "peer") return [(await requirePeer(writer, word)).id, null, null];
  if (kind === "tag") await requireTag(writer, word, change);
  else if (!word.includes("/")) return [null, (await findCidr(writer.db, word)).id, null];
  return [null, null, selector];
}

/** A tag is there when a peer has it, or will have it by a token that is still good. */
async function requireTag({ db }: Writer, tag: string, { registry, nowMs }: RuleChange): Promise<void> {
  if (isWorn(tag, registry)) return;
  const tokens = await db.selectFrom("tokens").selectAll().execute();
  const isPromised = tokens.some(
    (token) => tokenState(token, nowMs) === "active" && (JSON.parse(token.tags) as string[]).includes(tag),
  );
  if (isPromised) return;
  throw new MeshError("not-found", `no peer has the tag ${tag}`, { hint: "Give it first: `mesh peer tag NAME TAG…`." });
}

function isWorn(tag: string, registry: Registry): boolean {
  for (const { tags } of registry.peers()) if (tags.includes(tag)) return true;
  return false;
}

function entryOf(rule: StoredRule, registry: Registry): NetworkFilterEntry {
  const idle = [rule.source, rule.destination].find((end) => end.kind === "tag" && !isWorn(end.tag, registry));
  return {
    ...describeRule(rule, registry),
    note: idle?.kind === "tag" ? `no peer has the tag ${idle.tag}` : null,
  };
}
