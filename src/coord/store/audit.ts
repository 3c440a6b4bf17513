import type { AdminEvent, AuditQuery } from "../../api/admin.ts";
import type { PeerRow } from "./schema.ts";
import type { Reader, Writer } from "./store.ts";

/** Who did something: the host's admin socket, a peer or relay by name, or the coordinator itself. */
export type Actor = "host" | "coordinator" | `peer:${string}` | `relay:${string}`;

export interface AuditEvent {
  readonly actor: Actor;
  /** `peer.register`, `token.create`, … */
  readonly action: string;
  readonly subject: string;
  readonly before?: object | undefined;
  readonly after?: object | undefined;
}

/** Adds to the audit log, in the transaction that does the thing. Never give it a secret. */
export async function recordEvent({ db }: Writer, atMs: number, event: AuditEvent): Promise<void> {
  await db
    .insertInto("events")
    .values({
      at: atMs,
      actor: event.actor,
      action: event.action,
      subject: event.subject,
      before: event.before === undefined ? null : JSON.stringify(event.before),
      after: event.after === undefined ? null : JSON.stringify(event.after),
    })
    .execute();
}

/** An event of which only what differs is kept; both sides have the same fields. */
export function recordChange(
  writer: Writer,
  atMs: number,
  event: AuditEvent & { readonly before: object; readonly after: object },
): Promise<void> {
  const was = Object.entries(event.before);
  const is = new Map(Object.entries(event.after));
  const changed = was.filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(is.get(field)));
  const before = Object.fromEntries(changed);
  const after = Object.fromEntries(changed.map(([field]) => [field, is.get(field)]));
  return recordEvent(writer, atMs, { ...event, before, after });
}

/** Oldest first, a page at a time. */
export async function listEvents(reader: Reader, { since, after, limit }: AuditQuery): Promise<AdminEvent[]> {
  const rows = await reader
    .selectFrom("events")
    .selectAll()
    .where("at", ">=", since === undefined ? 0 : Date.parse(since))
    .where("id", ">", after)
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map(({ id, at, actor, action, subject, before, after }) => ({
    id,
    at: new Date(at).toISOString(),
    actor,
    action,
    subject,
    before: before === null ? null : JSON.parse(before),
    after: after === null ? null : JSON.parse(after),
  }));
}

/** What the log keeps of a peer. */
export function auditedPeer(row: PeerRow): object {
  const { name, machine_key, wireguard_key, ip4, ip6, admin, state, tags, override_endpoint } = row;
  const { exit_forbidden, approved_routes } = row;
  return {
    name,
    machineKey: machine_key,
    wireguardKey: wireguard_key,
    ip4,
    ip6,
    admin: admin === 1,
    state,
    tags: JSON.parse(tags),
    overrideEndpoint: override_endpoint ?? null,
    exitForbidden: exit_forbidden === 1,
    approvedRoutes: JSON.parse(approved_routes),
  };
}
