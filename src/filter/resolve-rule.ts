import { type FilterRule, parsePorts, parseSelector } from "../api/filter-rule.ts";
import type { MapCidr, MapPeer } from "../api/network-map.ts";
import { type Cidr, parseCidr } from "../packet/cidr.ts";
import type { ResolvedRule } from "./policy.ts";

/** What of the network map rules speak of. */
export interface KnownNetwork {
  readonly self: { readonly name: string; readonly tags: readonly string[] };
  readonly peers: readonly (KnownNetwork["self"] & Pick<MapPeer, "wireguardKey">)[];
  readonly cidrs: readonly MapCidr[];
}

/** One end of a rule for this machine: which machines at the far end, which addresses. Null is any, empty is none. */
interface End {
  readonly peers: readonly string[] | null;
  readonly cidrs: readonly Cidr[] | null;
  /** Why it fits nothing. */
  readonly note: string | null;
  /** It names what is not there, and not only what has no members. */
  readonly isUnknown: boolean;
}

const ANY: End = { peers: null, cidrs: null, note: null, isUnknown: false };

export interface Resolution {
  readonly rule: ResolvedRule<string>;
  /** Why the rule can decide nothing on this machine; null where it can. */
  readonly note: string | null;
  /** That is because it names a peer or a CIDR that is not there. */
  readonly isUnknown: boolean;
}

/**
 * The rule with its names resolved for the machine that `network` is of. A peer or a tag stands for machines, with all that is
 * routed through them; a CIDR for addresses in packets. A name that is not known fits nothing.
 */
export function resolveRule(rule: FilterRule, slot: number, network: KnownNetwork): Resolution {
  const { action, direction, protocol } = rule;
  const isIn = direction === "in";
  const far = farEnd(isIn ? rule.source : rule.destination, network);
  const near = nearEnd(isIn ? rule.destination : rule.source, network);
  const [source, destination] = isIn ? [far, near] : [near, far];
  return {
    rule: {
      action,
      direction,
      protocol,
      ports: parsePorts(rule.ports) ?? null,
      peers: near.peers ?? far.peers,
      sources: source.cidrs,
      destinations: destination.cidrs,
      slot,
    },
    note: far.note ?? near.note,
    isUnknown: far.isUnknown || near.isUnknown,
  };
}

function farEnd(selector: string, network: KnownNetwork): End {
  const parsed = parseSelector(selector);
  if (parsed === undefined) return ANY;
  const { kind, word } = parsed;
  if (kind === "cidr") return addressesOf(word, network);
  const machines = network.peers.filter((peer) => (kind === "peer" ? peer.name === word : peer.tags.includes(word)));
  const peers = machines.map(({ wireguardKey }) => wireguardKey);
  if (peers.length > 0) return { ...ANY, peers };
  if (kind === "tag") return { ...ANY, peers, note: `no peer in sight has the tag ${word}` };
  const isSelf = word === network.self.name;
  return {
    ...ANY,
    peers,
    isUnknown: true,
    note: isSelf ? `${word} is this machine itself` : `there is no peer ${word} in sight`,
  };
}

function nearEnd(selector: string, network: KnownNetwork): End {
  const parsed = parseSelector(selector);
  if (parsed === undefined) return ANY;
  const { kind, word } = parsed;
  if (kind === "cidr") return addressesOf(word, network);
  const { self } = network;
  if (kind === "peer" ? self.name === word : self.tags.includes(word)) return ANY;
  if (kind === "peer") return { ...ANY, peers: [], isUnknown: true, note: `this machine is not ${word}` };
  return { ...ANY, peers: [], note: `this machine has no tag ${word}` };
}

function addressesOf(word: string, { cidrs }: KnownNetwork): End {
  if (word.includes("/")) return { ...ANY, cidrs: [parseCidr(word)] };
  const named = cidrs.find(({ name }) => name === word);
  if (named === undefined) return { ...ANY, cidrs: [], isUnknown: true, note: `there is no CIDR ${word} in sight` };
  return { ...ANY, cidrs: [parseCidr(named.cidr4), parseCidr(named.cidr6)] };
}
