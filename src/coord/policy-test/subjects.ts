import { parseAddress } from "../../packet/address.ts";
import { cidrContainsAddress } from "../../packet/cidr.ts";
import type { RuleEnd } from "../filter/stored-rule.ts";
import type { Peer } from "../registry.ts";
import type { Subject } from "./assertion.ts";
import type { PolicySnapshot } from "./policy-snapshot.ts";

/** The peers that are meant; what is wrong with the name, where it is not clear whom. Disabled ones only by their names. */
export function membersOf(subject: Subject, snapshot: PolicySnapshot): readonly Peer[] | string {
  const { kind, name } = subject;
  const peers = [...snapshot.peers()];
  const live = peers.filter(({ enabled, cidrId }) => enabled && snapshot.tree.isLive(cidrId));
  if (kind === "any") return live;
  const cidr = snapshot.tree.named(name);
  const meanings = {
    peer: peers.filter((peer) => peer.name === name),
    cidr: cidr === undefined ? [] : live.filter(({ cidrId }) => snapshot.tree.contains(cidr, cidrId)),
    tag: live.filter(({ tags }) => tags.includes(name)),
  };
  const isThere = {
    peer: meanings.peer.length > 0,
    cidr: cidr !== undefined,
    tag: peers.some(({ tags }) => tags.includes(name)) || snapshot.rules.some((rule) => namesTag(rule, name)),
  };
  if (kind !== undefined) return isThere[kind] ? meanings[kind] : `there is no ${IN_WORDS[kind]} ${name}`;
  const kinds = (["peer", "cidr", "tag"] as const).filter((one) => isThere[one]);
  const [only] = kinds;
  if (only === undefined) return `there is no peer, CIDR or tag ${name}`;
  if (kinds.length === 1) return meanings[only];
  return `${name} is a ${kinds.map((one) => IN_WORDS[one]).join(" and a ")}: say ${kinds.map((one) => `${one}:${name}`).join(" or ")}`;
}

const IN_WORDS = { peer: "peer", cidr: "CIDR", tag: "tag" } as const;

function namesTag({ source, destination }: { readonly source: RuleEnd; readonly destination: RuleEnd }, tag: string) {
  return [source, destination].some((end) => end.kind === "tag" && end.tag === tag);
}

/**
 * Peers that nothing in the policy tells apart have one class: where they are, and which of the rules' ends they are at. What
 * holds for one of them holds for all.
 */
export function classesOf(peers: readonly Peer[], { rules }: PolicySnapshot): readonly (readonly Peer[])[] {
  const ends = rules.flatMap(({ source, destination }) => [source, destination]);
  const named = new Set(ends.flatMap((end) => (end.kind === "peer" ? [end.id] : [])));
  const tags = new Set(ends.flatMap((end) => (end.kind === "tag" ? [end.tag] : [])));
  const ranges = ends.flatMap((end) => (end.kind === "range" ? [end.range] : []));
  const classes = new Map<string, Peer[]>();
  for (const peer of peers) {
    const addresses = [peer.ip4, peer.ip6].map(parseAddress);
    const key = JSON.stringify([
      peer.cidrId,
      peer.enabled,
      named.has(peer.id) && peer.id,
      peer.tags.filter((tag) => tags.has(tag)).sort(),
      ranges.map((range) => addresses.some((address) => cidrContainsAddress(range, address))),
    ]);
    const alike = classes.get(key);
    if (alike === undefined) classes.set(key, [peer]);
    else alike.push(peer);
  }
  return [...classes.values()];
}
