import type { NetworkInfo } from "../../api/network-map.ts";
import { endpointSchema } from "../../api/primitives.ts";
import { MeshError } from "../../base/errors.ts";
import { parseCidr } from "../../packet/cidr.ts";
import { isReachableAddress } from "../../packet/reachable-address.ts";
import type { Registry } from "../registry.ts";
import type { PeerRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";
import { changePeer, type PeerCommand, requirePeer } from "./manage-peers.ts";

interface Change extends PeerCommand {
  /** `HOST:PORT`, or null for none. */
  readonly endpoint: string | null;
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
): Promise<PeerRow> {
  if (endpoint !== null) requireReachable(endpoint, network);
  const row = await requirePeer(writer, name);
  const context = { actor, action: "peer.override-endpoint", registry };
  return changePeer(writer, row, { override_endpoint: endpoint }, context, nowMs);
}

function requireReachable(endpoint: string, network: OverrideDeps["network"]): void {
  if (!endpointSchema.safeParse(endpoint).success) return;
  const address = endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  if (isReachableAddress(address, [parseCidr(network.cidr4), parseCidr(network.cidr6)])) return;
  throw new MeshError("bad-endpoint", `no other machine reaches a peer at ${endpoint}`);
}
