import { MeshError } from "../../base/errors.ts";
import { tokenState } from "../joining/tokens.ts";
import type { CidrRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";

/** So many of a kind are named in an error. */
const NAMED = 5;

/** What a CIDR holds, in words that name it: `peers alice, bob (disabled)`. */
interface Contents {
  readonly cidrs: readonly string[];
  readonly peers: readonly string[];
  /** Those that still let somebody in. */
  readonly tokens: readonly string[];
}

async function contentsOf({ db }: Writer, cidrId: number, nowMs: number): Promise<Contents> {
  const cidrs = await db.selectFrom("cidrs").select("name").where("parent_id", "=", cidrId).orderBy("name").execute();
  const peers = await db
    .selectFrom("peers")
    .select(["name", "state"])
    .where("cidr_id", "=", cidrId)
    .orderBy("name")
    .execute();
  const tokens = await db
    .selectFrom("tokens")
    .selectAll()
    .where("cidr_id", "=", cidrId)
    .orderBy("created_at")
    .execute();
  return {
    cidrs: cidrs.map(({ name }) => name),
    peers: peers.map(({ name, state }) => (state === "disabled" ? `${name} (disabled)` : name)),
    tokens: tokens
      .filter((token) => tokenState(token, nowMs) === "active")
      .map(({ id, bound_name, ip4 }) => {
        const bounds = [bound_name, ip4].filter((bound) => bound !== null);
        return bounds.length === 0 ? id : `${id} (for ${bounds.join(", ")})`;
      }),
  };
}

/**
 * Peers live in leaves: what holds some, or is to take some, cannot hold CIDRs.
 * @throws MeshError `cidr-in-use`
 */
export async function requireNoPeers(writer: Writer, cidr: CidrRow, nowMs: number): Promise<void> {
  const { peers, tokens } = await contentsOf(writer, cidr.id, nowMs);
  const why = [...inWords("peer", peers), ...inWords("token", tokens)];
  if (cidr.role === "default") why.push("it takes the peers whose token names no CIDR");
  if (why.length === 0) return;
  throw new MeshError(
    "cidr-in-use",
    `peers live in leaves only, and ${cidr.name} (${cidr.cidr4}) is to stay one: ${why.join("; ")}`,
    { hint: "Choose a range outside it, or remove what is named first." },
  );
}

/** @throws MeshError `cidr-in-use` */
export async function requireEmpty(writer: Writer, cidr: CidrRow, nowMs: number): Promise<void> {
  const { cidrs, peers, tokens } = await contentsOf(writer, cidr.id, nowMs);
  const associated = await writer.db
    .selectFrom("associations")
    .innerJoin("cidrs", (join) =>
      join.on((on) =>
        on.or([
          on.and([on("from_id", "=", cidr.id), on("cidrs.id", "=", on.ref("to_id"))]),
          on.and([on("to_id", "=", cidr.id), on("cidrs.id", "=", on.ref("from_id"))]),
        ]),
      ),
    )
    .select("cidrs.name")
    .orderBy("cidrs.name")
    .execute();
  const rules = await writer.db
    .selectFrom("filter_rules")
    .select("id")
    .where((where) => where.or([where("source_cidr_id", "=", cidr.id), where("destination_cidr_id", "=", cidr.id)]))
    .orderBy("created_at")
    .execute();
  const what = [
    ...inWords("CIDR", cidrs),
    ...inWords("peer", peers),
    ...inWords("token", tokens),
    ...inWords(
      "association with",
      associated.map(({ name }) => name),
      "associations with",
    ),
    ...inWords(
      "filter rule",
      rules.map(({ id }) => id),
    ),
  ];
  if (what.length > 0) throw new MeshError("cidr-in-use", `${cidr.name} is in use: ${what.join("; ")}`);
}

function inWords(one: string, names: readonly string[], many = `${one}s`): string[] {
  if (names.length === 0) return [];
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : "";
  return [`${names.length === 1 ? one : many} ${names.slice(0, NAMED).join(", ")}${more}`];
}
