import type { AdminCidr, CidrCreate } from "../../api/admin-cidrs.ts";
import { MeshError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";
import { compareCidrs, formatCidr, parseCidr } from "../../packet/cidr.ts";
import { nextFreeAddress, releaseAddresses } from "../addresses/allocation.ts";
import type { Registry } from "../registry.ts";
import { type Actor, recordChange, recordEvent } from "../store/audit.ts";
import type { CidrRow } from "../store/schema.ts";
import type { Reader, Writer } from "../store/store.ts";
import { adoptFormerAddresses, leaveFormerAddresses } from "./address-moves.ts";
import { requireEmpty, requireNoPeers } from "./contents.ts";
import { placeCidr } from "./placement.ts";

/** How admins change the tree of CIDRs. Peers learn of it by the deltas that the change in the registry makes. */

/** By whom and when, and whom to tell. */
export interface TreeChange {
  readonly registry: Registry;
  readonly actor: Actor;
  readonly nowMs: number;
}

/** In the order of their addresses, so that each stands before what it holds. */
export async function listCidrs(reader: Reader): Promise<AdminCidr[]> {
  const rows = await reader.selectFrom("cidrs").selectAll().execute();
  rows.sort((a, b) => compareCidrs(parseCidr(a.cidr4), parseCidr(b.cidr4)));
  const described: AdminCidr[] = [];
  for (const row of rows) described.push(await describeCidr(reader, row));
  return described;
}

/**
 * @throws MeshError `name-taken`, `bad-cidr`, `cidr-overlap`, `cidr-wrong-parent`, `cidr-in-use` (the parent has peers),
 *   `not-found` (no such parent)
 */
export async function addCidr(writer: Writer, wanted: CidrCreate, change: TreeChange): Promise<AdminCidr> {
  const { db } = writer;
  const cidrs = await db.selectFrom("cidrs").selectAll().execute();
  requireFreeName(cidrs, wanted.name);
  const { parent, cidr4, cidr6 } = placeCidr(cidrs, wanted);
  await requireNoPeers(writer, parent, change.nowMs);
  await releaseAddresses(writer, change.nowMs);
  const row = await db
    .insertInto("cidrs")
    .values({
      name: wanted.name,
      cidr4: formatCidr(cidr4),
      cidr6: formatCidr(cidr6),
      parent_id: parent.id,
      enabled: 1,
      role: null,
      next_host: 1,
      created_at: change.nowMs,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await adoptFormerAddresses(writer, row.id, { cidr4, cidr6 });
  await recordEvent(writer, change.nowMs, { ...by(change, "cidr.add", row), after: auditedCidr(row) });
  await applyTree(writer, change.registry);
  return describeCidr(db, row);
}

/** @throws MeshError `not-found`, `name-taken` */
export async function renameCidr(
  writer: Writer,
  { name, to }: { readonly name: string; readonly to: string },
  change: TreeChange,
): Promise<AdminCidr> {
  const before = await findCidr(writer.db, name);
  if (to === name) return describeCidr(writer.db, before);
  requireFreeName(await writer.db.selectFrom("cidrs").select("name").execute(), to);
  return update(writer, before, { name: to }, "cidr.rename", change);
}

/**
 * Peers in a disabled CIDR, or below it, see nobody and are seen by nobody, until it is enabled again.
 * @throws MeshError `not-found`, `cidr-builtin`
 */
export async function setCidrEnabled(
  writer: Writer,
  { name, enabled }: { readonly name: string; readonly enabled: boolean },
  change: TreeChange,
): Promise<AdminCidr> {
  const before = await findCidr(writer.db, name);
  if ((before.enabled === 1) === enabled) return describeCidr(writer.db, before);
  if (before.role === "root" || before.role === "infra") {
    throw new MeshError("cidr-builtin", `without ${name}, nobody in the network would reach anything`);
  }
  const action = enabled ? "cidr.enable" : "cidr.disable";
  return update(writer, before, { enabled: enabled ? 1 : 0 }, action, change);
}

/**
 * Only an empty one goes. Tokens for it that nobody can use any more go with it.
 * @throws MeshError `not-found`, `cidr-builtin`, `cidr-in-use`
 */
export async function deleteCidr(writer: Writer, name: string, change: TreeChange): Promise<AdminCidr> {
  const { db } = writer;
  const row = await findCidr(db, name);
  if (row.role !== null) throw new MeshError("cidr-builtin", `the network needs ${name}`);
  await requireEmpty(writer, row, change.nowMs);
  const parent = await db.selectFrom("cidrs").selectAll().where("id", "=", row.parent_id).executeTakeFirstOrThrow();
  const described = await describeCidr(db, row);
  const spent = db.selectFrom("tokens").select("id").where("cidr_id", "=", row.id);
  await db.deleteFrom("addresses").where("token_id", "in", spent).execute();
  await leaveFormerAddresses(writer, row, parent);
  await db.updateTable("relays").set({ token_id: null }).where("token_id", "in", spent).execute();
  await db.deleteFrom("tokens").where("cidr_id", "=", row.id).execute();
  await db.deleteFrom("cidrs").where("id", "=", row.id).execute();
  await recordEvent(writer, change.nowMs, { ...by(change, "cidr.delete", row), before: auditedCidr(row) });
  await applyTree(writer, change.registry);
  return described;
}

/** @throws MeshError `not-found` */
export async function findCidr(db: Reader, name: string): Promise<CidrRow> {
  const row = await db.selectFrom("cidrs").selectAll().where("name", "=", name).executeTakeFirst();
  if (row === undefined) throw new MeshError("not-found", `there is no CIDR ${quote(name)}`);
  return row;
}

/** Has the registry take over CIDRs and associations, as they now are, after the commit. */
export async function applyTree({ db, afterCommit }: Writer, registry: Registry): Promise<void> {
  const cidrs = await db.selectFrom("cidrs").selectAll().execute();
  const associations = await db.selectFrom("associations").selectAll().execute();
  afterCommit(() => registry.applyTree(cidrs, associations));
}

async function update(
  writer: Writer,
  before: CidrRow,
  fields: Partial<Pick<CidrRow, "name" | "enabled">>,
  action: string,
  change: TreeChange,
): Promise<AdminCidr> {
  const after = { ...before, ...fields };
  await writer.db.updateTable("cidrs").set(fields).where("id", "=", before.id).execute();
  const event = { ...by(change, action, before), before: auditedCidr(before), after: auditedCidr(after) };
  await recordChange(writer, change.nowMs, event);
  await applyTree(writer, change.registry);
  return describeCidr(writer.db, after);
}

function by({ actor }: TreeChange, action: string, { name }: CidrRow) {
  return { actor, action, subject: name };
}

function auditedCidr({ name, cidr4, cidr6, enabled }: CidrRow): object {
  return { name, cidr4, cidr6, enabled: enabled === 1 };
}

async function describeCidr(db: Reader, row: CidrRow): Promise<AdminCidr> {
  const parent =
    row.parent_id === null
      ? undefined
      : await db.selectFrom("cidrs").select("name").where("id", "=", row.parent_id).executeTakeFirstOrThrow();
  const child = await db.selectFrom("cidrs").select("id").where("parent_id", "=", row.id).executeTakeFirst();
  const { peers } = await db
    .selectFrom("peers")
    .select(({ fn }) => fn.countAll<number>().as("peers"))
    .where("cidr_id", "=", row.id)
    .executeTakeFirstOrThrow();
  const takesPeers = child === undefined && row.role !== "root";
  return {
    name: row.name,
    cidr4: row.cidr4,
    cidr6: row.cidr6,
    parent: parent?.name ?? null,
    enabled: row.enabled === 1,
    peers,
    nextIp4: takesPeers ? await nextFreeAddress(db, row) : null,
  };
}

function requireFreeName(cidrs: readonly Pick<CidrRow, "name">[], name: string): void {
  if (!cidrs.some((cidr) => cidr.name === name)) return;
  throw new MeshError("name-taken", `there is a CIDR ${name} already`, { hint: "Choose another name." });
}
