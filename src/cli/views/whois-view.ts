import type { Status, StatusPeer } from "../../api/local.ts";
import { MeshError } from "../../base/errors.ts";
import { canonicalAddress } from "../../packet/address.ts";
import { formatAgo } from "./format.ts";
import { renderFields } from "./table.ts";

/** A machine of the network: this one, or a peer. */
export type Machine = Pick<StatusPeer, "name" | "ip4" | "ip6" | "cidr" | "publicKey"> & {
  /** The peer as `mesh status` has it; null of this machine itself. */
  readonly peer: StatusPeer | null;
};

/**
 * @param word a name, an address in the mesh in any spelling, or a WireGuard public key
 * @throws MeshError `not-found`
 */
export function machineOf({ self, peers }: Status, word: string): Machine {
  const machines: Machine[] = [...(self === null ? [] : [{ ...self, peer: null }]), ...peers.map(asMachine)];
  const found = machines.find(({ name, ip4, ip6, publicKey }) =>
    [name, canonicalAddress(ip4), canonicalAddress(ip6), publicKey].includes(addressOr(word)),
  );
  if (found !== undefined) return found;
  throw new MeshError("not-found", `this machine sees nobody whose name, address or key is ${word}`, {
    hint: "See `mesh peers`; an admin's `mesh peer list` has those out of sight as well.",
  });
}

const asMachine = (peer: StatusPeer): Machine => ({ ...peer, peer });

function addressOr(word: string): string {
  try {
    return canonicalAddress(word);
  } catch {
    return word;
  }
}

export function renderMachine({ name, ip4, ip6, cidr, publicKey, peer }: Machine, nowMs: number): string {
  const path = peer?.path ?? null;
  const isHere: (readonly [string, string])[] = [["online", "this machine"]];
  const isThere: (readonly [string, string])[] = [
    ["online", peer?.online === true ? "yes" : "no"],
    ["path", path === null ? "-" : `${path.transport} ${path.endpoint}`],
    ["handshake", formatAgo(peer?.lastHandshakeAt ?? null, nowMs)],
  ];
  return renderFields([
    ["name", `${name} (${cidr})`],
    ["address", `${ip4}  ${ip6}`],
    ["public key", publicKey],
    ...(peer === null ? isHere : isThere),
  ]);
}
