import type { NetworkInfo } from "../api/network-map.ts";
import { endpointSchema } from "../api/primitives.ts";
import { MeshError } from "../base/errors.ts";
import { parseCidr } from "../packet/cidr.ts";
import { isReachableAddress } from "../packet/reachable-address.ts";
import type { Peer, Registry } from "./registry.ts";
import { type Actor, recordEvent } from "./store/audit.ts";
import type { Writer } from "./store/store.ts";

interface Change {
  /** The peer's. */
  readonly name: string;
  /** `HOST:PORT`, or null for none. */
  readonly endpoint: string | null;
  readonly actor: Actor;
}

interface OverrideDeps {
  readonly network: Pick<NetworkInfo, "cidr4" | "cidr6">;
  readonly registry: Registry;
}

/**
 * From now on the others try this peer at `endpoint` first. A name is theirs to resolve: it may mean something else to each.
 * @throws MeshError `not-found`; `bad-endpoint` for an address at which no other machine can be reached
 */
export async function overrideEndpoint(
  writer: Writer,
  { name, endpoint, actor }: Change,
  { network, registry }: OverrideDeps,
  nowMs: number,
): Promise<Peer> {
  if (endpoint !== null) requireReachable(endpoint, network);
  const before = await writer.db.selectFrom("peers").selectAll().where("name", "=", name).executeTakeFirst();
  if (before === undefined) throw new MeshError("not-found", `there is no peer ${JSON.stringify(name.slice(0, 63))}`);
  const row = { ...before, override_endpoint: endpoint };
  if (before.override_endpoint !== endpoint) {
    await writer.db.updateTable("peers").set({ override_endpoint: endpoint }).where("id", "=", row.id).execute();
    await recordEvent(writer, nowMs, {
      actor,
      action: "peer.override-endpoint",
      subject: name,
      before: { endpoint: before.override_endpoint },
      after: { endpoint },
    });
    writer.afterCommit(() => registry.applyRow(row));
  }
  const peer = registry.byId(row.id);
  if (peer === undefined) throw new MeshError("not-found", `there is no peer ${name}`);
  return { ...peer, overrideEndpoint: endpoint };
}

function requireReachable(endpoint: string, network: OverrideDeps["network"]): void {
  if (!endpointSchema.safeParse(endpoint).success) return;
  const address = endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  if (isReachableAddress(address, [parseCidr(network.cidr4), parseCidr(network.cidr6)])) return;
  throw new MeshError("bad-endpoint", `no other machine reaches a peer at ${endpoint}`);
}
