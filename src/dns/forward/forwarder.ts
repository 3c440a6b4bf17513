import dnsPacket from "dns-packet";
import type { Clock } from "../../base/clock.ts";
import { type DnsServerAddress, exchangeDns } from "../../host/dns-exchange.ts";
import type { Asker } from "../asker.ts";
import { Flag, HEADER_BYTES, MAX_UDP_BYTES, Rcode } from "../constants.ts";
import { readLayout } from "../message/layout.ts";
import type { Query } from "../message/query.ts";
import { AnswerCache, keyOf } from "./cache.ts";
import { type ForwardRoute, routeOf, serverText } from "./routes.ts";

/** Our own choices. */
const SERVER_TIMEOUT_MS = 1500;
/** A resolver gives its server 5 s by default: an answer after that is for nobody. */
const TOTAL_TIMEOUT_MS = 4500;
/** A server that said nothing is asked after the others for so long. */
const SILENT_MS = 30_000;
/** Different questions under way at once. */
const MAX_UNDER_WAY = 512;
/** Of these, those of other peers: they leave room for the host. */
const MAX_UNDER_WAY_OF_PEERS = 384;

export interface Forwarded {
  /** Undefined when nobody could tell. */
  readonly answer: Buffer | undefined;
  /** How long ago that was said. */
  readonly ageSeconds: number;
  /** Who said it: `192.0.2.53`. */
  readonly server: string | undefined;
  readonly isCached: boolean;
  /** Of each server that was asked in vain: why. */
  readonly failures: readonly string[];
}

export interface ForwarderDeps {
  readonly clock: Clock;
  readonly serverTimeoutMs?: number;
  readonly totalTimeoutMs?: number;
}

const NOBODY: Forwarded = { answer: undefined, ageSeconds: 0, server: undefined, isCached: false, failures: [] };

/**
 * Passes questions on to the servers of the routes in force, in order, the next when one is silent or refuses. The same
 * question is under way once: should a server pass it back to us, it waits for itself and ends with the first one's time.
 */
export class Forwarder {
  readonly #deps: ForwarderDeps;
  readonly #cache: AnswerCache;
  readonly #underWay = new Map<string, Promise<Forwarded>>();
  /** By server, of those that gave no answer when asked last: until when they come last. */
  readonly #unanswered = new Map<string, { readonly untilMs: number; readonly problem: string }>();
  #routes: readonly ForwardRoute[] = [];
  #stop = new AbortController();

  constructor(deps: ForwarderDeps) {
    this.#deps = deps;
    this.#cache = new AnswerCache(deps.clock);
  }

  get cached(): number {
    return this.#cache.size;
  }

  /** Those that gave no answer when they were asked last, as `192.0.2.53`, and why. */
  unanswered(servers: readonly string[]): { readonly server: string; readonly problem: string }[] {
    return servers.flatMap((server) => {
      const found = this.#unanswered.get(server);
      return found === undefined ? [] : [{ server, problem: found.problem }];
    });
  }

  /** From now on nothing is known any more that others have said: elsewhere, names may mean something else. */
  use(routes: readonly ForwardRoute[]): void {
    this.#routes = routes;
    this.#cache.clear();
    this.#unanswered.clear();
    this.#underWay.clear();
    this.#stop.abort(new Error("other servers are asked from now on"));
    this.#stop = new AbortController();
  }

  resolve(query: Query, asker: Asker): Promise<Forwarded> | Forwarded {
    const hit = this.#cache.find(query);
    if (hit !== undefined) {
      return { answer: hit.message, ageSeconds: hit.ageSeconds, server: hit.server, isCached: true, failures: [] };
    }
    const key = keyOf(query);
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    const route = routeOf(query.name, this.#routes);
    if (route === undefined || route.servers.length === 0)
      return { ...NOBODY, failures: ["no server is known for this name"] };
    if (this.#underWay.size >= (asker === "peer" ? MAX_UNDER_WAY_OF_PEERS : MAX_UNDER_WAY))
      return { ...NOBODY, failures: ["too many questions are under way"] };
    const asking = this.#ask(query, route, this.#stop.signal).finally(() => {
      if (this.#underWay.get(key) === asking) this.#underWay.delete(key);
    });
    this.#underWay.set(key, asking);
    return asking;
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error("the name server stops"));
  }

  /** Never rejects. */
  async #ask(query: Query, route: ForwardRoute, stop: AbortSignal): Promise<Forwarded> {
    const deadline = AbortSignal.any([stop, AbortSignal.timeout(this.#deps.totalTimeoutMs ?? TOTAL_TIMEOUT_MS)]);
    const failures: string[] = [];
    /** A refusal of one server is not the last word while there are others, and better than none. */
    let refusal: Forwarded | undefined;
    const refused = new Set<DnsServerAddress>();
    // Twice: over UDP a question or its answer may be lost.
    for (const server of [...this.#inOrder(route.servers), ...route.servers]) {
      if (deadline.aborted) break;
      if (refused.has(server)) continue;
      const name = serverText(server);
      const limit = AbortSignal.any([deadline, AbortSignal.timeout(this.#deps.serverTimeoutMs ?? SERVER_TIMEOUT_MS)]);
      try {
        const answer = await askServer(server, query, route, limit);
        this.#unanswered.delete(name);
        const forwarded = { answer, ageSeconds: 0, server: name, isCached: false, failures };
        if (isDecision(answer)) {
          if (!stop.aborted) this.#cache.keep(query, answer, name);
          return forwarded;
        }
        failures.push(`${name}: RCODE ${answer.readUInt16BE(2) & 0xf}`);
        refused.add(server);
        refusal ??= forwarded;
      } catch (failure) {
        if (stop.aborted) break;
        const problem = limit.aborted ? "no answer in time" : wordsOf(failure);
        failures.push(`${name}: ${problem}`);
        this.#unanswered.set(name, { untilMs: this.#deps.clock.monotonicMs() + SILENT_MS, problem });
      }
    }
    return refusal ?? { ...NOBODY, failures };
  }

  #inOrder(servers: readonly DnsServerAddress[]): readonly DnsServerAddress[] {
    const nowMs = this.#deps.clock.monotonicMs();
    const isSilent = (server: DnsServerAddress) => (this.#unanswered.get(serverText(server))?.untilMs ?? 0) > nowMs;
    return [...servers.filter((server) => !isSilent(server)), ...servers.filter(isSilent)];
  }
}

/** @throws Error when the server does not answer, or not with a DNS message */
async function askServer(
  server: DnsServerAddress,
  query: Query,
  { sockets }: ForwardRoute,
  signal: AbortSignal,
): Promise<Buffer> {
  const message = upstreamQuery(query);
  let answer = await exchangeDns(server, message, sockets, signal);
  // A server from before EDNS knows only the plain form (RFC 6891 §6.2.2).
  if ((answer.readUInt16BE(2) & 0xf) === Rcode.formErr) {
    const plain = Buffer.from(message.subarray(0, HEADER_BYTES + query.question.length));
    plain.writeUInt16BE(0, 10);
    answer = await exchangeDns(server, plain, sockets, signal);
  }
  if (readLayout(answer) === undefined) throw new Error("it talks nonsense");
  return answer;
}

/** The question as it came, with EDNS of our own. */
function upstreamQuery({ question, flags, edns }: Query): Buffer {
  const dnssecOk = edns?.dnssecOk === true;
  const frame = dnsPacket.encode({
    type: "query",
    flags: Flag.rd | (flags & (Flag.cd | Flag.ad)),
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: MAX_UDP_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: dnssecOk ? dnsPacket.DNSSEC_OK : 0,
        flag_do: dnssecOk,
        options: [],
      },
    ],
  });
  const message = Buffer.concat([frame.subarray(0, HEADER_BYTES), question, frame.subarray(HEADER_BYTES)]);
  message.writeUInt16BE(1, 4);
  return message;
}

/** The server's word on the name; other codes say that it has none. */
function isDecision(answer: Buffer): boolean {
  const rcode = answer.readUInt16BE(2) & 0xf;
  return rcode === Rcode.noError || rcode === Rcode.nxDomain;
}

function wordsOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
