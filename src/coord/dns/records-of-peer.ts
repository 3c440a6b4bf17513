import { type DnsRecord, targetOf } from "../../api/dns-record.ts";
import type { MapDns } from "../../api/network-map.ts";
import { canonicalAddress } from "../../packet/address.ts";
import type { Peer } from "../registry.ts";
import { mayExchange, type Policy } from "../visibility.ts";
import { type DnsNames, describeRecord, type StoredDns } from "./stored-record.ts";

/** The network as it stands. */
export interface DnsContext extends DnsNames {
  readonly policy: Policy;
  byId(id: number): Peer | undefined;
  peers(): Iterable<Peer>;
}

interface Told {
  readonly record: DnsRecord;
  /** A peer that does not see all of these is not told. */
  readonly about: readonly (Peer | undefined)[];
  /** Another record's name that it leads to. */
  readonly leadsTo: string | undefined;
}

/**
 * What each peer is told of the network's DNS. A record names peers: the one whose name it stands below, and the one that it
 * leads to, by name, by address, or through other records. Whoever does not see one of them does not learn of the record.
 */
export class DnsAudience {
  readonly #context: DnsContext;
  readonly #dns: StoredDns;
  readonly #told: readonly Told[];

  /** For as long as nothing changes there. */
  constructor(dns: StoredDns, context: DnsContext) {
    this.#context = context;
    this.#dns = dns;
    const holders = dns.records.length === 0 ? new Map<string, Peer>() : addressHolders(context.peers());
    this.#told = dns.records.map((stored) => {
      const record = describeRecord(stored, context);
      const named = [stored.peerId, stored.targetPeerId].filter((id) => id !== null).map((id) => context.byId(id));
      const isAddress = record.type === "A" || record.type === "AAAA";
      const holder = isAddress ? holders.get(canonicalAddress(record.data)) : undefined;
      const target = stored.targetPeerId === null ? targetOf(record) : undefined;
      const isInside = target?.endsWith(`.${context.domain}`) === true;
      return {
        record,
        about: holder === undefined ? named : [...named, holder],
        leadsTo: isInside ? target.slice(0, -context.domain.length - 1) : undefined,
      };
    });
  }

  dnsOf(viewer: Peer): MapDns {
    const { servers, splits } = this.#dns;
    return {
      records: this.recordsOf(viewer),
      servers: [...servers],
      splits: splits.map(({ suffix, servers }) => ({ suffix, servers: [...servers] })),
    };
  }

  recordsOf(viewer: Peer): DnsRecord[] {
    const { policy } = this.#context;
    const sees = (peer: Peer | undefined) =>
      peer !== undefined && (peer.id === viewer.id || mayExchange(policy, viewer, peer));
    let told = this.#told.filter(({ about }) => about.every(sees));
    // Without one that others lead to, these go as well.
    for (let before = -1; before !== told.length; ) {
      before = told.length;
      const names = new Set(told.map(({ record }) => record.name));
      told = told.filter(({ leadsTo }) => leadsTo === undefined || names.has(leadsTo));
    }
    return told.map(({ record }) => record);
  }
}

function addressHolders(peers: Iterable<Peer>): ReadonlyMap<string, Peer> {
  const holders = new Map<string, Peer>();
  for (const peer of peers) for (const address of [peer.ip4, peer.ip6]) holders.set(canonicalAddress(address), peer);
  return holders;
}
