import { z } from "zod";
import { adminPeerSchema } from "../../api/admin.ts";
import {
  type EndFacts,
  type ExplainRequest,
  type ExplainStep,
  type Explanation,
  explainRequestSchema,
  type HalfAnswer,
  type HalfQuestion,
  halfAnswerSchema,
} from "../../api/explain.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import { MeshError } from "../../base/errors.ts";
import type { AdminCall } from "../admin-call.ts";
import { readQuestion, withoutRules, writeAnswer } from "./answer.ts";
import { explainBeyond } from "./beyond-chain.ts";
import { explainChain } from "./chain.ts";
import { carrierOf, type End, endOf, isBeyond, isEnd, isOwn, type NoEnd } from "./end.ts";
import { type EndFactsDeps, gatherEndFacts, type Part } from "./end-facts.ts";
import { conclude, step } from "./verdict.ts";

/** The other end may have to probe its own other end first, which takes up to 2 s. */
const ASK_TIMEOUT_MS = 3500;
const REFUSALS = {
  "not-an-end": "it says that it has no part in it",
  "not-an-admin": "it tells admins only about connections of others",
} as const;

export interface ExplainerDeps extends EndFactsDeps {
  /** As the coordinator's admin, where this machine is one. */
  readonly admin: (call: AdminCall) => Promise<object>;
}

/** Explains connections, and answers for its own half when the other end does. */
export class Explainer {
  readonly #deps: ExplainerDeps;

  constructor(deps: ExplainerDeps) {
    this.#deps = deps;
    deps.tunnel.inquiries.onQuestion((publicKey, body) => this.#answer(publicKey, body));
  }

  /** @throws MeshError `bad-usage` where both ends are one machine, `not-permitted` where only admins are told, `not-found` without a map */
  async explain(request: ExplainRequest): Promise<Explanation> {
    const { from, to, protocol, port, family } = explainRequestSchema.parse(request);
    const map = this.#map();
    const self = map.self.name;
    // An end given by its address says which family it is about.
    const wanted = [from, to].some((end) => end?.includes(":")) ? 6 : family;
    const source = endOf(map, from ?? self, wanted);
    const destination = endOf(map, to ?? self, wanted);
    const service = { protocol, port };
    const ends = { ...service, source, destination };
    if (!isEnd(source) && !isBeyond(source))
      return conclude(ends, [await this.#noSuchEnd(map, source, from ?? self, "source")]);
    if (!isEnd(destination) && !isBeyond(destination))
      return conclude(ends, [await this.#noSuchEnd(map, destination, to ?? self, "destination")]);
    if (source.address.includes(":") !== destination.address.includes(":")) {
      throw new MeshError("bad-usage", "one end is an IPv4 address, the other one IPv6");
    }
    const question = { source: source.address, destination: destination.address, ...service };
    if (!isEnd(source)) {
      if (isEnd(destination)) return this.#explainBeyond(map, question, destination, false);
      throw new MeshError("bad-usage", "neither end is a machine of the mesh");
    }
    if (!isEnd(destination)) return this.#explainBeyond(map, question, source, true);
    if (source.name === destination.name) {
      throw new MeshError("bad-usage", "both ends are one machine", { hint: "Name another peer; see `mesh peers`." });
    }
    const [sourceFacts, destinationFacts] = await Promise.all([
      this.#half(question, "source", source, destination),
      this.#half(question, "destination", destination, source),
    ]);
    if (sourceFacts === REFUSALS["not-an-admin"] && typeof destinationFacts === "string") {
      throw new MeshError("not-permitted", `${source.name} and ${destination.name} tell admins only about each other`);
    }
    return explainChain({ source, destination, ...service, sourceFacts, destinationFacts });
  }

  /** Between a machine of the mesh and an address that is outside. The machine says who carries it, who says the rest. */
  async #explainBeyond(
    map: NetworkMap,
    question: HalfQuestion,
    machine: End,
    isLeaving: boolean,
  ): Promise<Explanation> {
    const { source, destination, protocol, port } = question;
    const address = isLeaving ? destination : source;
    const machineFacts = await this.#half(question, isLeaving ? "source" : "destination", machine, undefined);
    if (machineFacts === REFUSALS["not-an-admin"]) {
      throw new MeshError("not-permitted", `${machine.name} tells admins only about ${address}`);
    }
    const name = typeof machineFacts === "string" ? null : (machineFacts.beyond?.carrier ?? null);
    const seen = name === null ? undefined : carrierOf(map, name, address);
    // A peer that the machine sees and this one does not.
    const unseen = name === null ? undefined : { name, cidr: "?", address, publicKey: undefined };
    const carrierFacts = async () => {
      if (seen === undefined) return "it is not in the sight of this machine";
      const isSilent = isLeaving && typeof machineFacts !== "string" && machineFacts.probeRttMs === null;
      if (isSilent) return "it does not answer";
      return this.#half(question, isLeaving ? "carries-out" : "carries-in", seen, machine);
    };
    const facts = { machine, address, isLeaving, carrier: seen ?? unseen, protocol, port, machineFacts };
    return explainBeyond({ ...facts, carrierFacts: await carrierFacts() });
  }

  /**
   * What the machine says of its half, or why that is not known.
   * @param other at the other end of the mesh; undefined where the connection leaves it
   */
  async #half(question: HalfQuestion, part: Part, machine: End, other: End | undefined): Promise<EndFacts | string> {
    if (machine.publicKey === undefined) return gatherEndFacts(question, part, other?.publicKey, this.#deps);
    const body = Buffer.from(JSON.stringify(question));
    try {
      const text = await this.#deps.tunnel.inquiries.ask(machine.publicKey, body, ASK_TIMEOUT_MS);
      const answer = halfAnswerSchema.parse(JSON.parse(Buffer.from(text).toString("utf8")));
      return "facts" in answer ? answer.facts : REFUSALS[answer.refused];
    } catch (failure) {
      if (failure instanceof MeshError && failure.code !== "timeout") throw failure;
      return failure instanceof MeshError ? "it did not answer the question" : "it answered what cannot be read";
    }
  }

  /** Where an end is not in this machine's map. */
  async #noSuchEnd(map: NetworkMap, { address }: NoEnd, word: string, where: ExplainStep["end"]) {
    const hidden = map.self.admin ? await this.#hiddenPeer(map, word) : undefined;
    if (hidden !== undefined) {
      const state =
        hidden.state === "active" ? `in the CIDR ${hidden.cidr}, which ${map.self.cidr} does not see` : hidden.state;
      return step("acl", where, `${hidden.name} is ${state}`, false);
    }
    if (address !== undefined)
      return step("acl", where, `no peer in sight has ${address}: there is none, or the CIDRs keep it apart`, false);
    if (word.includes(".") && !word.replace(/\.$/, "").endsWith(`.${map.network.domain}`)) {
      const isForeign = `${word} is no name of the mesh: ask by one of its addresses, which \`mesh dns query ${word}\` tells`;
      return step("dns", where, isForeign, false);
    }
    return step("dns", where, `no peer in sight is called ${word}: there is none, or the CIDRs keep it apart`, false);
  }

  /** What an admin may know beyond its own map; undefined also while the coordinator is away. */
  async #hiddenPeer(map: NetworkMap, word: string) {
    const suffix = `.${map.network.domain}`;
    const name = word.endsWith(suffix) ? word.slice(0, -suffix.length) : word;
    try {
      const peers = await this.#deps.admin({ method: "GET", path: "/v1/admin/peers" });
      return z
        .array(adminPeerSchema)
        .parse(peers)
        .find((one) => one.name === name || one.ip4 === word || one.ip6 === word);
    } catch {
      return undefined;
    }
  }

  async #answer(askerKey: string, body: Uint8Array): Promise<Uint8Array | undefined> {
    const question = readQuestion(body);
    if (question === undefined) return undefined;
    return writeAnswer(await this.#ownHalf(askerKey, question));
  }

  async #ownHalf(askerKey: string, question: HalfQuestion): Promise<HalfAnswer> {
    const map = this.#map();
    const asker = map.peers.find(({ wireguardKey }) => wireguardKey === askerKey);
    const isAdmin = asker?.admin ?? false;
    const { part, other } = this.#partIn(map, question);
    if (part === undefined) return { refused: "not-an-end" };
    // Where the other end is outside the mesh, only the packet path knows whom it is carried by.
    const farKey = isBeyond(other) ? undefined : isEnd(other) ? (other.publicKey ?? "") : "";
    if (farKey !== undefined && farKey !== askerKey && !isAdmin) return { refused: "not-an-admin" };
    const facts = await gatherEndFacts(question, part, farKey, this.#deps);
    if (isAdmin) return { facts };
    const isCarrier = facts.beyond?.carrier === asker?.name;
    return farKey === undefined && !isCarrier ? { refused: "not-an-admin" } : { facts: withoutRules(facts) };
  }

  /** What this machine is to the connection, and who is at the other end of the mesh. */
  #partIn(map: NetworkMap, question: HalfQuestion): { readonly part: Part | undefined; readonly other: End | NoEnd } {
    const [source, destination] = [endOf(map, question.source, 4), endOf(map, question.destination, 4)];
    if (isOwn(source)) return { part: "source", other: destination };
    if (isOwn(destination)) return { part: "destination", other: source };
    if (isEnd(source) && isBeyond(destination)) return { part: "carries-out", other: source };
    if (isBeyond(source) && isEnd(destination)) return { part: "carries-in", other: destination };
    return { part: undefined, other: destination };
  }

  #map(): NetworkMap {
    const map = this.#deps.map();
    if (map !== undefined) return map;
    throw new MeshError("not-found", "there is no network map yet", {
      hint: "Wait for the coordinator: `mesh status`.",
    });
  }
}
