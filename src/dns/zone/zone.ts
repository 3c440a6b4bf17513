import type { Answer, HInfoAnswer, SoaAnswer, SrvAnswer, StringAnswer, TxtAnswer } from "dns-packet";
import type { DnsRecord } from "../../api/dns-record.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import { asciiLowerCase } from "../../base/ascii-case.ts";
import { type Cidr, parseCidr } from "../../packet/cidr.ts";
import { MAX_CHAIN, MESH_TTL_SECONDS, Rcode } from "../constants.ts";
import type { Content } from "../message/reply.ts";
import { reverseApex, reverseName } from "./reverse.ts";

/** A record without its owner's name. */
type Datum =
  | Ownerless<StringAnswer>
  | Ownerless<TxtAnswer>
  | Ownerless<SrvAnswer>
  | Ownerless<SoaAnswer>
  | Ownerless<HInfoAnswer>;
type Ownerless<Each extends Answer> = Omit<Each, "name" | "class" | "flush">;

export interface ZoneAnswer extends Content {
  /** Outside of the mesh: where an alias points to, whose records belong to the answer as well. */
  readonly continuesAt?: string;
}

/** The part of a network map that answers follow from. */
export type ZoneSource = Pick<NetworkMap, "version" | "network" | "self" | "peers" | "dns">;

/**
 * What there is in the mesh domain and in the reverse zones of its addresses. It follows from the map of one peer alone, and so
 * has no name that this peer may not know.
 *
 *     NAME.mesh, NAME.CIDR.mesh   A and AAAA of a peer, ourselves among them
 *     …mesh                       records of the network, where no peer has the name
 *     ….in-addr.arpa, ….ip6.arpa  PTR of our addresses
 */
export class Zone {
  readonly domain: string;
  readonly #ranges: readonly Cidr[];
  readonly #self: string;
  readonly #serial: number;
  readonly #nodes = new Map<string, Datum[]>();
  /** Names that have nothing themselves, with names below: they exist (RFC 8020, RFC 4592 §2.2.2). */
  readonly #nonTerminals = new Set<string>();

  constructor({ version, network, self, peers, dns }: ZoneSource) {
    this.domain = network.domain.toLowerCase();
    this.#ranges = [parseCidr(network.cidr4), parseCidr(network.cidr6)];
    this.#self = `${self.name}.${this.domain}`;
    this.#serial = version % 2 ** 32;
    for (const { name, cidr, ip4, ip6 } of [self, ...peers]) {
      for (const owner of [`${name}.${this.domain}`, `${name}.${cidr}.${this.domain}`]) {
        this.#add(
          owner,
          { type: "A", ttl: MESH_TTL_SECONDS, data: ip4 },
          { type: "AAAA", ttl: MESH_TTL_SECONDS, data: ip6 },
        );
      }
      const pointer = { type: "PTR", ttl: MESH_TTL_SECONDS, data: `${name}.${this.domain}` } as const;
      this.#add(reverseName(ip4), pointer);
      this.#add(reverseName(ip6), pointer);
    }
    const ofPeers = new Set(this.#nodes.keys());
    for (const record of dns.records) {
      const owner = `${record.name}.${this.domain}`;
      // A peer's name is that peer's, whatever a record came to say since it was added.
      if (ofPeers.has(owner) && !MAY_STAND_BESIDE_A_PEER.has(record.type)) continue;
      this.#add(owner, datumOf(record));
    }
  }

  /** The apex of the zone of ours in which this name lies; undefined when it is in none. */
  apexOf(name: string): string | undefined {
    const key = asciiLowerCase(name);
    if (key === this.domain || key.endsWith(`.${this.domain}`)) return this.domain;
    return reverseApex(key, this.#ranges);
  }

  /** @returns undefined when the name lies in no zone of ours */
  lookup(name: string, type: string): ZoneAnswer | undefined {
    let apex = this.apexOf(name);
    if (apex === undefined) return undefined;
    const answers: Answer[] = [];
    let owner = name;
    for (let hop = 0; hop <= MAX_CHAIN; hop++) {
      const key = asciiLowerCase(owner);
      const node = key === apex ? this.#apexNode() : this.#nodes.get(key);
      if (node === undefined) {
        const rcode = this.#nonTerminals.has(key) ? Rcode.noError : Rcode.nxDomain;
        return { rcode, answers, authorities: [this.#soa(apex)], authoritative: true };
      }
      // RFC 8482 §4.2: one small record instead of all that there is.
      const found = type === "ANY" ? [ANY_ANSWER] : node.filter((datum) => datum.type === type);
      answers.push(...found.map((datum) => named(owner, datum)));
      if (found.length > 0) return { rcode: Rcode.noError, answers, authorities: [], authoritative: true };
      const alias = node.find((datum) => datum.type === "CNAME");
      if (alias?.type !== "CNAME") {
        return { rcode: Rcode.noError, answers, authorities: [this.#soa(apex)], authoritative: true };
      }
      answers.push(named(owner, alias));
      owner = alias.data;
      apex = this.apexOf(owner);
      if (apex === undefined) {
        return { rcode: Rcode.noError, answers, authorities: [], authoritative: true, continuesAt: owner };
      }
    }
    return { rcode: Rcode.servFail, answers: [], authorities: [], authoritative: false };
  }

  #add(owner: string, ...data: readonly Datum[]): void {
    const node = this.#nodes.get(owner);
    if (node === undefined) this.#nodes.set(owner, [...data]);
    else node.push(...data);
    const apex = this.apexOf(owner);
    for (let above = owner; above !== apex; ) {
      above = above.slice(above.indexOf(".") + 1);
      if (this.#nonTerminals.has(above)) return;
      this.#nonTerminals.add(above);
    }
  }

  #apexNode(): readonly Datum[] {
    return [this.#soaDatum(), { type: "NS", ttl: MESH_TTL_SECONDS, data: this.#self }];
  }

  #soa(apex: string): Answer {
    return named(apex, this.#soaDatum());
  }

  /** Nobody transfers the zone; how long a negative answer may be kept is all that counts (RFC 2308 §5). */
  #soaDatum(): Datum {
    const data = {
      mname: this.#self,
      rname: `hostmaster.${this.domain}`,
      serial: this.#serial,
      refresh: 3600,
      retry: 600,
      expire: 86_400,
      minimum: MESH_TTL_SECONDS,
    };
    return { type: "SOA", ttl: MESH_TTL_SECONDS, data };
  }
}

/** They say nothing about where a name leads. */
export const MAY_STAND_BESIDE_A_PEER: ReadonlySet<string> = new Set(["TXT", "SRV"]);

const ANY_ANSWER: Datum = { type: "HINFO", ttl: MESH_TTL_SECONDS, data: { cpu: "RFC8482", os: "" } };
const MAX_STRING_BYTES = 255;

function named(name: string, datum: Datum): Answer {
  return { ...datum, name } as Answer;
}

function datumOf({ type, data, ttlSeconds }: DnsRecord): Datum {
  const ttl = ttlSeconds ?? MESH_TTL_SECONDS;
  switch (type) {
    case "TXT":
      return { type, ttl, data: stringsOf(data) };
    case "SRV": {
      const [priority, weight, port, target = ""] = data.split(" ");
      return { type, ttl, data: { priority: Number(priority), weight: Number(weight), port: Number(port), target } };
    }
    default:
      return { type, ttl, data };
  }
}

/** A character-string has 255 bytes at most (RFC 1035 §3.3); who reads them puts them together again. */
function stringsOf(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const strings = [bytes.subarray(0, MAX_STRING_BYTES)];
  for (let at = MAX_STRING_BYTES; at < bytes.length; at += MAX_STRING_BYTES) {
    strings.push(bytes.subarray(at, at + MAX_STRING_BYTES));
  }
  return strings;
}
