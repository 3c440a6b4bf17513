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
  halfQuestionSchema,
} from "../../api/explain.ts";
import type { NetworkMap } from "../../api/network-map.ts";
import { MeshError } from "../../base/errors.ts";
import type { AdminCall } from "../admin-call.ts";
import { conclude, explainChain, step } from "./chain.ts";
import { type End, endOf, isEnd, type NoEnd } from "./end.ts";
import { type EndFactsDeps, gatherEndFacts } from "./end-facts.ts";

/** The other end may have to probe its own other end first, which takes up to 2 s. */
const ASK_TIMEOUT_MS = 3500;
const REFUSALS = {
  "not-an-end": "it is not the machine that is meant",
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
    const ends = { protocol, port, source, destination };
    if (!isEnd(source)) return conclude(ends, [await this.#noSuchEnd(map, source, from ?? self, "source")]);
    if (!isEnd(destination))
      return conclude(ends, [await this.#noSuchEnd(map, destination, to ?? self, "destination")]);
    if (source.name === destination.name) {
      throw new MeshError("bad-usage", "both ends are one machine", { hint: "Name another peer; see `mesh peers`." });
    }
    if (source.address.includes(":") !== destination.address.includes(":")) {
      throw new MeshError("bad-usage", "one end is an IPv4 address, the other one IPv6");
    }
    const question = { source: source.address, destination: destination.address, protocol, port };
    const [sourceFacts, destinationFacts] = await Promise.all([
      this.#half(question, true, source, destination),
      this.#half(question, false, destination, source),
    ]);
    if (sourceFacts === REFUSALS["not-an-admin"] && typeof destinationFacts === "string") {
      throw new MeshError("not-permitted", `${source.name} and ${destination.name} tell admins only about each other`);
    }
    return explainChain({ source, destination, protocol, port, sourceFacts, destinationFacts });
  }

  /** What the end says of its half, or why that is not known. */
  async #half(question: HalfQuestion, isSource: boolean, end: End, other: End): Promise<EndFacts | string> {
    if (end.publicKey === undefined) return gatherEndFacts(question, isSource, other.publicKey ?? "", this.#deps);
    const body = Buffer.from(JSON.stringify(question));
    try {
      const text = await this.#deps.tunnel.inquiries.ask(end.publicKey, body, ASK_TIMEOUT_MS);
      const answer = halfAnswerSchema.parse(JSON.parse(Buffer.from(text).toString("utf8")));
      return "facts" in answer ? answer.facts : REFUSALS[answer.refused];
    } catch (failure) {
      if (failure instanceof MeshError && failure.code !== "timeout") throw failure;
      return failure instanceof MeshError ? "it did not answer the question" : "it answered what cannot be read";
    }
  }

  /** Where an end is not in this machine's map. */
  async #noSuchEnd(map: NetworkMap, { address, isInNetwork }: NoEnd, word: string, where: ExplainStep["end"]) {
    const hidden = map.self.admin ? await this.#hiddenPeer(map, word) : undefined;
    if (hidden !== undefined) {
      const state =
        hidden.state === "active" ? `in the CIDR ${hidden.cidr}, which ${map.self.cidr} does not see` : hidden.state;
      return step("acl", where, `${hidden.name} is ${state}`, false);
    }
    if (address === undefined)
      return step("dns", where, `no peer in sight is called ${word}: there is none, or the CIDRs keep it apart`, false);
    if (!isInNetwork) return step("route", where, `${address} is not in the mesh, and no peer leads to it`, false);
    return step("acl", where, `no peer in sight has ${address}: there is none, or the CIDRs keep it apart`, false);
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
    return Buffer.from(JSON.stringify(halfAnswerSchema.parse(await this.#ownHalf(askerKey, question))));
  }

  async #ownHalf(askerKey: string, question: HalfQuestion): Promise<HalfAnswer> {
    const map = this.#map();
    const asker = map.peers.find(({ wireguardKey }) => wireguardKey === askerKey);
    const [source, destination] = [endOf(map, question.source, 4), endOf(map, question.destination, 4)];
    const isSource = isEnd(source) && source.publicKey === undefined;
    const [own, other] = isSource ? [source, destination] : [destination, source];
    if (!isEnd(own) || own.publicKey !== undefined) return { refused: "not-an-end" };
    const otherKey = isEnd(other) ? other.publicKey : undefined;
    const isAdmin = asker?.admin ?? false;
    if (otherKey !== askerKey && !isAdmin) return { refused: "not-an-admin" };
    const facts = await gatherEndFacts(question, isSource, otherKey ?? "", this.#deps);
    return { facts: isAdmin ? facts : withoutRules(facts) };
  }

  #map(): NetworkMap {
    const map = this.#deps.map();
    if (map !== undefined) return map;
    throw new MeshError("not-found", "there is no network map yet", {
      hint: "Wait for the coordinator: `mesh status`.",
    });
  }
}

function readQuestion(body: Uint8Array): HalfQuestion | undefined {
  try {
    return halfQuestionSchema.safeParse(JSON.parse(Buffer.from(body).toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

/** The verdicts and their layers alone. */
function withoutRules(facts: EndFacts): EndFacts {
  const { filter, hostFirewall } = facts;
  const state = hostFirewall.state === "drops" ? "it has a rule or policy to" : "nothing found that drops it";
  const detail = hostFirewall.state === "unreadable" ? hostFirewall.detail : state;
  return {
    ...facts,
    filter: filter && { ...filter, rule: null },
    hostFirewall: { ...hostFirewall, detail },
  };
}
