import type { MeshError } from "../../base/errors.ts";
import { deleteRecordsOfPeer } from "../dns/dns-records.ts";
import { deleteRulesOfPeer } from "../filter/rule-records.ts";
import type { Registry } from "../registry.ts";
import { type Actor, auditedPeer, recordEvent } from "../store/audit.ts";
import type { PeerRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";

export interface RemovalDeps {
  readonly registry: Registry;
  /** See `CoordinatorLimits`. */
  readonly ephemeralRestMs: number;
  /** Ends the control channel of a machine that is no more. */
  readonly disconnect: (machineKey: string, why: MeshError) => void;
}

export interface Removal {
  readonly row: PeerRow;
  readonly actor: Actor;
  /** In the audit log: it left, it was away for too long, or an admin removed it. */
  readonly action: "peer.leave" | "peer.expire" | "peer.delete";
  /** What its control channel is told, if it has one. */
  readonly why: MeshError;
}

/**
 * Takes a peer out of the network; the one way in which that happens. Its name and keys are free again; its address is
 * not, because others have it pinned to its keys. That of an ephemeral peer only rests, as its pins lapse, unless an admin
 * removed it: what a person has put out of the network is not met again at the same address. Filter rules and DNS records
 * that name it go with it. The others learn of it by the delta that the change in the registry makes.
 */
export async function removePeer(
  writer: Writer,
  { row, actor, action, why }: Removal,
  { registry, ephemeralRestMs, disconnect }: RemovalDeps,
  nowMs: number,
): Promise<void> {
  const rests = row.ephemeral === 1 && action !== "peer.delete";
  await writer.db
    .updateTable("addresses")
    .set({ peer_id: null, tombstoned_at: nowMs, rests_until: rests ? nowMs + ephemeralRestMs : null })
    .where("peer_id", "=", row.id)
    .execute();
  await deleteRulesOfPeer(writer, row.id, { registry, actor, nowMs });
  await deleteRecordsOfPeer(writer, row.id, { registry, actor, nowMs });
  await writer.db.deleteFrom("peers").where("id", "=", row.id).execute();
  await recordEvent(writer, nowMs, { actor, action, subject: row.name, before: auditedPeer(row) });
  writer.afterCommit(() => {
    registry.remove(row.id);
    disconnect(row.machine_key, why);
  });
}
