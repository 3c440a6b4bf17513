import type { PortRange } from "../../api/filter-rule.ts";
import type { MapFilterRule } from "../../api/network-map.ts";
import { compileFilter } from "../../filter/compile.ts";
import { Flow } from "../../filter/flow.ts";
import type { OneWay } from "../../filter/policy.ts";
import type { ProtocolClass } from "../../filter/program.ts";
import { resolveRule } from "../../filter/resolve-rule.ts";
import { RuleBook } from "../../filter/rule-book.ts";
import type { Verdict } from "../../filter/verdict.ts";
import { PacketBuffer } from "../../packet/packet-buffer.ts";
import type { Peer } from "../registry.ts";
import { relationOf } from "../visibility.ts";
import type { PolicySnapshot } from "./policy-snapshot.ts";

/** The first packet of a connection. */
export interface Opening {
  readonly version: 4 | 6;
  readonly protocol: ProtocolClass;
  /** That it is made to; 0 where the protocol has none. */
  readonly port: number;
}

/** Where the two addresses of an opening stand. */
const SOURCE = 0;
const DESTINATION = 16;

/**
 * The packet filter of one peer, as its data thread has it, as far as the coordinator knows: the rules of the network that
 * it is told, and one-way associations. What the machine adds of its own is its own.
 */
export class PeerFilter {
  readonly #rules: readonly MapFilterRule[];
  readonly #numbers = new Map<number, number>();
  readonly #book: RuleBook;
  readonly #flow = new Flow(0);

  constructor(self: Peer, snapshot: PolicySnapshot) {
    const { tree } = snapshot;
    this.#rules = snapshot.audience.rulesOf(self);
    const oneWay = new Map<number, OneWay>();
    const peers: Peer[] = [];
    for (const peer of snapshot.peers()) {
      const mayStart = relationOf(tree.policy, self, peer);
      if (mayStart === undefined || peer.id === self.id) continue;
      const number = peers.push(peer) - 1;
      this.#numbers.set(peer.id, number);
      if (mayStart !== "both") oneWay.set(number, mayStart);
    }
    const numberOf = new Map(peers.map(({ wireguardKey }, number) => [wireguardKey, number]));
    const network = { self, peers, cidrs: tree.seenFrom(self.cidrId) };
    const rules = this.#rules.map(({ rule }, slot) => {
      const resolved = resolveRule(rule, slot, network).rule;
      return { ...resolved, peers: resolved.peers?.map((key) => numberOf.get(key)!) ?? null };
    });
    const program = compileFilter({ rules, defaults: { in: "allow", out: "allow" }, oneWay });
    this.#book = new RuleBook(program, { hit: () => {} });
  }

  /** Ports at which what the rules say may begin or end, besides 1. */
  borders(parse: (ports: string) => readonly PortRange[] | null | undefined): readonly number[] {
    return this.#rules.flatMap(({ rule }) => (parse(rule.ports) ?? []).flatMap(({ first, last }) => [first, last + 1]));
  }

  /** What this end says of a connection with `far`, which it sees; and the id of the rule that decides, or null. */
  judge(
    addresses: PacketBuffer,
    far: Peer,
    opening: Opening,
    startedHere: boolean,
  ): { readonly verdict: Verdict; readonly rule: string | null } {
    const flow = this.#flow;
    flow.version = opening.version;
    flow.protocol = opening.protocol;
    flow.peer = this.#numbers.get(far.id)!;
    flow.nearOffset = startedHere ? SOURCE : DESTINATION;
    flow.farOffset = startedHere ? DESTINATION : SOURCE;
    flow.nearPort = startedHere ? 0 : opening.port;
    flow.farPort = startedHere ? opening.port : 0;
    const verdict = this.#book.decide(flow, addresses, startedHere);
    return { verdict, rule: this.#rules[this.#book.slot]?.id ?? null };
  }
}

/** The addresses of an opening, where `PeerFilter.judge` looks for them. */
export function addressesOf(source: Uint8Array, destination: Uint8Array): PacketBuffer {
  const buffer = new PacketBuffer(2 * DESTINATION);
  buffer.bytes.set(source, SOURCE);
  buffer.bytes.set(destination, DESTINATION);
  return buffer;
}
