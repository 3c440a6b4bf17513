import dnsPacket, { type Answer } from "dns-packet";
import type { Asker } from "./asker.ts";
import { Flag, Rcode } from "./constants.ts";
import type { Forwarded, Forwarder } from "./forward/forwarder.ts";
import { type Query, readQuery, type UnreadableQuery } from "./message/query.ts";
import { type Content, encodeReply, finish, passOn, refusal } from "./message/reply.ts";
import type { Zone, ZoneAnswer } from "./zone/zone.ts";

/** Where an answer comes from. */
export type AnsweredBy =
  | { readonly source: "mesh" }
  | { readonly source: "server"; readonly server: string; readonly isCached: boolean }
  | { readonly source: "none"; readonly reason: string };

export interface Reply {
  /** Without the EDNS part, and not cut yet. */
  readonly message: Buffer;
  readonly by: AnsweredBy;
  readonly extendedRcode?: number;
}

export interface ResponderSources {
  /** Undefined until there is a map. */
  zone(): Zone | undefined;
  readonly forwarder: Pick<Forwarder, "resolve">;
  /** Whether other peers may have names outside of the mesh looked up here: those whose exit we are. */
  servesPeers(): boolean;
}

const REFUSED_TYPES: ReadonlyMap<string, Rcode> = new Map<string, Rcode>([
  // RFC 5936 §2.2.1: transfers are nobody's here.
  ["AXFR", Rcode.refused],
  ["IXFR", Rcode.refused],
  ["UNKNOWN_253", Rcode.notImp],
  ["UNKNOWN_254", Rcode.notImp],
  ["TKEY", Rcode.notImp],
  ["TSIG", Rcode.formErr],
  ["OPT", Rcode.formErr],
  ["UNKNOWN_0", Rcode.formErr],
]);

/** Decides what becomes of a query: names of the mesh are answered from the zone, the others by whom the forwarder asks. */
export class Responder {
  readonly #sources: ResponderSources;

  constructor(sources: ResponderSources) {
    this.#sources = sources;
  }

  /**
   * @param limitOf bytes that may be sent to who asks
   * @returns the reply; undefined for what is not to be answered. A name of the mesh is answered at once
   */
  answer(
    bytes: Buffer,
    asker: Asker,
    limitOf: (query: Query) => number,
  ): Buffer | undefined | Promise<Buffer | undefined> {
    const query = readQuery(bytes);
    if (query === undefined) return undefined;
    if (isUnreadable(query)) return refusal(query);
    const ended = ({ message, extendedRcode }: Reply) => finish(query, message, limitOf(query), extendedRcode);
    const reply = this.resolve(query, asker);
    if (!(reply instanceof Promise)) return ended(reply);
    // What others have said is put together anew where an alias leads there, and the codec refuses what it has no form for.
    return reply.catch(() => failed(query, Rcode.servFail, "what was said cannot be passed on")).then(ended);
  }

  resolve(query: Query, asker: Asker): Reply | Promise<Reply> {
    const refused = this.#refuse(query, asker);
    if (refused !== undefined) return refused;
    const found = asker === "host" ? this.#sources.zone()?.lookup(query.name, query.type) : undefined;
    if (found === undefined) return this.#forward(query, asker);
    if (found.continuesAt !== undefined && isRecursive(query))
      return this.#continue(query, found, found.continuesAt, asker);
    return { message: encodeReply(query, found), by: { source: "mesh" } };
  }

  #refuse(query: Query, asker: Asker): Reply | undefined {
    if (query.edns !== undefined && query.edns.version > 0) {
      // RFC 6891 §6.1.3; the lower bits of BADVERS are 0, which is no error.
      return { ...failed(query, Rcode.noError, "EDNS of an unknown version"), extendedRcode: Rcode.badVers >> 4 };
    }
    const rcode = REFUSED_TYPES.get(query.type);
    if (rcode !== undefined) return failed(query, rcode, `${query.type} is no type to be asked for here`);
    if (query.class !== "IN") return failed(query, Rcode.refused, `there is nothing of the class ${query.class}`);
    const isOfMesh = this.#sources.zone()?.apexOf(query.name) !== undefined;
    if (asker === "peer" && (isOfMesh || !this.#sources.servesPeers())) {
      return failed(query, Rcode.refused, "each peer asks its own name server");
    }
    if (!isOfMesh && !isRecursive(query)) return failed(query, Rcode.refused, "the query forbids to ask others");
    return undefined;
  }

  #forward(query: Query, asker: Asker): Reply | Promise<Reply> {
    const replied = (forwarded: Forwarded): Reply => {
      const { answer, server = "", isCached, ageSeconds, failures } = forwarded;
      if (answer === undefined) return failed(query, Rcode.servFail, failures.join("; "));
      return { message: passOn(query, answer, ageSeconds), by: { source: "server", server, isCached } };
    };
    const forwarded = this.#sources.forwarder.resolve(query, asker);
    return forwarded instanceof Promise ? forwarded.then(replied) : replied(forwarded);
  }

  /** An alias of ours for a name of others: programs expect the whole chain. */
  async #continue(query: Query, found: ZoneAnswer, target: string, asker: Asker): Promise<Reply> {
    const { message } = await this.#forward(queryFor(target, query), asker);
    const told = readAnswers(message);
    if (told === undefined) return failed(query, Rcode.servFail, `nobody tells about ${target}`);
    return {
      message: encodeReply(query, {
        ...found,
        ...told,
        answers: [...found.answers, ...told.answers],
        authoritative: false,
      }),
      by: { source: "mesh" },
    };
  }
}

export function isUnreadable(query: Query | UnreadableQuery): query is UnreadableQuery {
  return "rcode" in query;
}

function isRecursive({ flags }: Query): boolean {
  return (flags & Flag.rd) !== 0;
}

function failed(query: Query, rcode: Rcode, reason: string): Reply {
  const content: Content = { rcode, answers: [], authorities: [], authoritative: false };
  return { message: encodeReply(query, content), by: { source: "none", reason } };
}

/** The same wish about another name. */
function queryFor(name: string, { type, flags, edns }: Query): Query {
  const bytes = dnsPacket.encode({ type: "query", flags, questions: [{ name, type: type as Answer["type"] }] });
  return { ...(readQuery(bytes) as Query), edns };
}

function readAnswers(message: Buffer): Pick<Content, "rcode" | "answers" | "authorities"> | undefined {
  const rcode = message.readUInt16BE(2) & 0xf;
  if (rcode !== Rcode.noError && rcode !== Rcode.nxDomain) return undefined;
  try {
    const { answers = [], authorities = [] } = dnsPacket.decode(message);
    return { rcode, answers, authorities };
  } catch {
    return undefined;
  }
}
