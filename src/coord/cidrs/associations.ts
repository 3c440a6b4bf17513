import type { Association } from "../../api/admin-cidrs.ts";
import { MeshError } from "../../base/errors.ts";
import { recordEvent } from "../store/audit.ts";
import type { AssociationRow, CidrRow } from "../store/schema.ts";
import type { Reader, Writer } from "../store/store.ts";
import { applyTree, findCidr, type TreeChange } from "./cidrs.ts";

/** How admins join CIDRs: what an association means stands in `visibility.ts`. */

export async function listAssociations(reader: Reader): Promise<Association[]> {
  const rows = await reader
    .selectFrom("associations")
    .innerJoin("cidrs as source", "source.id", "from_id")
    .innerJoin("cidrs as target", "target.id", "to_id")
    .select(["source.name as from", "target.name as to", "one_way"])
    .orderBy("source.name")
    .orderBy("target.name")
    .execute();
  return rows.map(({ from, to, one_way }) => ({ from, to, oneWay: one_way === 1 }));
}

/** @throws MeshError `not-found`, `bad-association`, `association-exists` */
export async function addAssociation(writer: Writer, wanted: Association, change: TreeChange): Promise<Association> {
  const [from, to] = [await findCidr(writer.db, wanted.from), await findCidr(writer.db, wanted.to)];
  if (from.id === to.id) {
    throw new MeshError(
      "bad-association",
      `${from.name} cannot be associated with itself: peers of a CIDR see each other`,
      {
        hint: "To join several CIDRs that lie in one, associate them with each other.",
      },
    );
  }
  for (const cidr of [from, to]) {
    if (await isInInfra(writer.db, cidr)) {
      throw new MeshError("bad-association", `everybody sees ${cidr.name} as it is: it is infra, or lies in it`);
    }
  }
  const known = await findAssociation(writer.db, from, to);
  if (known !== undefined) {
    const kind = known.one_way === 0 ? "both ways" : `one way, from ${known.from_id === from.id ? from.name : to.name}`;
    throw new MeshError("association-exists", `${from.name} and ${to.name} are associated already, ${kind}`);
  }
  await writer.db
    .insertInto("associations")
    .values({ from_id: from.id, to_id: to.id, one_way: wanted.oneWay ? 1 : 0, created_at: change.nowMs })
    .execute();
  await record(writer, change, "association.add", { after: wanted });
  return wanted;
}

/** @throws MeshError `not-found` */
export async function deleteAssociation(
  writer: Writer,
  names: Pick<Association, "from" | "to">,
  change: TreeChange,
): Promise<Association> {
  const [one, other] = [await findCidr(writer.db, names.from), await findCidr(writer.db, names.to)];
  const row = await findAssociation(writer.db, one, other);
  if (row === undefined) throw new MeshError("not-found", `${one.name} and ${other.name} are not associated`);
  const [from, to] = row.from_id === one.id ? [one, other] : [other, one];
  const before = { from: from.name, to: to.name, oneWay: row.one_way === 1 };
  await writer.db.deleteFrom("associations").where("id", "=", row.id).execute();
  await record(writer, change, "association.delete", { before });
  return before;
}

/** One at most joins two CIDRs, in either order. */
function findAssociation(db: Reader, a: CidrRow, b: CidrRow): Promise<AssociationRow | undefined> {
  return db
    .selectFrom("associations")
    .selectAll()
    .where("from_id", "in", [a.id, b.id])
    .where("to_id", "in", [a.id, b.id])
    .executeTakeFirst();
}

async function isInInfra(db: Reader, cidr: CidrRow): Promise<boolean> {
  if (cidr.role === "infra") return true;
  if (cidr.parent_id === null) return false;
  const parent = db.selectFrom("cidrs").selectAll().where("id", "=", cidr.parent_id);
  return isInInfra(db, await parent.executeTakeFirstOrThrow());
}

async function record(
  writer: Writer,
  { registry, actor, nowMs }: TreeChange,
  action: string,
  state: { readonly before?: Association; readonly after?: Association },
): Promise<void> {
  const { from, to } = (state.after ?? state.before)!;
  await recordEvent(writer, nowMs, { actor, action, subject: `${from} ${to}`, ...state });
  await applyTree(writer, registry);
}
