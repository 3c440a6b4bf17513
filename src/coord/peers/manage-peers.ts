import { MeshError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";
import { isNameReserved } from "../joining/tokens.ts";
import type { Registry } from "../registry.ts";
import { type Actor, auditedPeer, recordChange } from "../store/audit.ts";
import type { PeerRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";
import { type RemovalDeps, removePeer } from "./removal.ts";

/** Who asks, and of which peer; `name` comes from outside and may be anything. */
export interface PeerCommand {
  readonly name: string;
  readonly actor: Actor;
}

/** The name that the others know the peer by from now on. @throws MeshError `not-found`, `name-taken` */
export async function renamePeer(
  writer: Writer,
  { name, actor }: PeerCommand,
  to: string,
  { registry }: { readonly registry: Registry },
  nowMs: number,
): Promise<PeerRow> {
  const row = await requirePeer(writer, name);
  if (to === name) return row;
  const holder = await writer.db.selectFrom("peers").select("id").where("name", "=", to).executeTakeFirst();
  if (holder !== undefined) throw new MeshError("name-taken", `there is a peer named ${to} already`);
  if (await isNameReserved(writer, to, "", nowMs)) throw new MeshError("name-taken", `${to} is invited already`);
  return changePeer(writer, row, { name: to }, { actor, action: "peer.rename", registry }, nowMs);
}

/**
 * A disabled peer is in nobody's map, its channel ends, and it is not let in again until it is enabled. It keeps its name
 * and address.
 * @throws MeshError `not-found`, `last-admin`
 */
export async function setPeerEnabled(
  writer: Writer,
  { name, actor }: PeerCommand,
  enabled: boolean,
  { registry, disconnect }: RemovalDeps,
  nowMs: number,
): Promise<PeerRow> {
  const row = await requirePeer(writer, name);
  if (!enabled) await requireOtherAdmin(writer, row);
  const action = enabled ? "peer.enable" : "peer.disable";
  const state = enabled ? "active" : "disabled";
  if (!enabled) {
    // After the registry has it: who comes back at once must not slip in between.
    const after = await changePeer(writer, row, { state }, { actor, action, registry }, nowMs);
    writer.afterCommit(() => disconnect(row.machine_key, peerDisabled(row.name)));
    return after;
  }
  return changePeer(writer, row, { state }, { actor, action, registry }, nowMs);
}

/** @throws MeshError `not-found`, `last-admin` */
export async function setPeerAdmin(
  writer: Writer,
  { name, actor }: PeerCommand,
  admin: boolean,
  { registry }: { readonly registry: Registry },
  nowMs: number,
): Promise<PeerRow> {
  const row = await requirePeer(writer, name);
  if (!admin) await requireOtherAdmin(writer, row);
  return changePeer(writer, row, { admin: admin ? 1 : 0 }, { actor, action: "peer.set-admin", registry }, nowMs);
}

/** Its tags are these, and no others. @throws MeshError `not-found` */
export async function tagPeer(
  writer: Writer,
  { name, actor }: PeerCommand,
  tags: readonly string[],
  { registry }: { readonly registry: Registry },
  nowMs: number,
): Promise<PeerRow> {
  const row = await requirePeer(writer, name);
  const text = JSON.stringify([...new Set(tags)]);
  return changePeer(writer, row, { tags: text }, { actor, action: "peer.tag", registry }, nowMs);
}

/** See `removePeer`. @throws MeshError `not-found`, `last-admin` */
export async function deletePeer(
  writer: Writer,
  { name, actor }: PeerCommand,
  deps: RemovalDeps,
  nowMs: number,
): Promise<PeerRow> {
  const row = await requirePeer(writer, name);
  await requireOtherAdmin(writer, row);
  const why = new MeshError("not-registered", "an admin has removed this machine from the network", {
    hint: "Join again with a token: `mesh join TOKEN`.",
  });
  await removePeer(writer, { row, actor, action: "peer.delete", why }, deps, nowMs);
  return row;
}

/** What a disabled peer is told, wherever it knocks. */
export function peerDisabled(name: string): MeshError {
  return new MeshError("peer-disabled", `${name} was disabled by an admin`);
}

/** @throws MeshError `not-found` */
export async function requirePeer({ db }: Writer, name: string): Promise<PeerRow> {
  const row = await db.selectFrom("peers").selectAll().where("name", "=", name).executeTakeFirst();
  if (row === undefined) throw new MeshError("not-found", `there is no peer ${quote(name)}`);
  return row;
}

type Columns = Partial<
  Pick<PeerRow, "name" | "state" | "admin" | "tags" | "override_endpoint" | "exit_forbidden" | "approved_routes">
>;

interface ChangeContext {
  readonly actor: Actor;
  readonly action: string;
  readonly registry: Registry;
}

/** Writes the columns, records what was and what is, and has it pushed. What is so already leaves no trace. */
export async function changePeer(
  writer: Writer,
  before: PeerRow,
  columns: Columns,
  { actor, action, registry }: ChangeContext,
  nowMs: number,
): Promise<PeerRow> {
  const after: PeerRow = { ...before, ...columns };
  const [was, is] = [auditedPeer(before), auditedPeer(after)];
  if (JSON.stringify(was) === JSON.stringify(is)) return before;
  await writer.db.updateTable("peers").set(columns).where("id", "=", before.id).execute();
  await recordChange(writer, nowMs, { actor, action, subject: before.name, before: was, after: is });
  writer.afterCommit(() => registry.applyRow(after));
  return after;
}

/** Without any admin, nobody but the coordinator's own host could ever change anything again. */
async function requireOtherAdmin({ db }: Writer, row: PeerRow): Promise<void> {
  if (row.admin === 0 || row.state === "disabled") return;
  const other = await db
    .selectFrom("peers")
    .select("id")
    .where("admin", "=", 1)
    .where("state", "=", "active")
    .where("id", "!=", row.id)
    .executeTakeFirst();
  if (other === undefined) throw new MeshError("last-admin", `${row.name} is the last admin of the network`);
}
