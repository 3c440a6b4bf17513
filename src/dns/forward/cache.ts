import { LRUCache } from "lru-cache";
import { asciiLowerCase } from "../../base/ascii-case.ts";
import type { Clock } from "../../base/clock.ts";
import { Flag, Rcode } from "../constants.ts";
import { RecordType, readLayout } from "../message/layout.ts";
import type { Query } from "../message/query.ts";
import { ttlOf } from "../message/reply.ts";

const MAX_ENTRIES = 4096;
const MAX_BYTES = 4 * 1024 * 1024;
/** Longer than this nothing is kept; of negative answers RFC 2308 §5 advises one to three hours. */
const MAX_TTL_SECONDS = 24 * 3600;
const MAX_NEGATIVE_TTL_SECONDS = 3600;

interface Cached {
  readonly message: Buffer;
  readonly storedAtMs: number;
  readonly lifetimeMs: number;
  /** Who said it. */
  readonly server: string;
}

export interface CacheHit extends Pick<Cached, "message" | "server"> {
  readonly ageSeconds: number;
}

/** Answers of others for as long as they may be kept, the ones used longest ago going first. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #entries = new LRUCache<string, Cached>({
    max: MAX_ENTRIES,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ message }, key) => message.length + key.length,
  });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  find(query: Query): CacheHit | undefined {
    const key = keyOf(query);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const ageMs = this.#clock.monotonicMs() - entry.storedAtMs;
    if (ageMs < entry.lifetimeMs) return { ...entry, ageSeconds: Math.floor(ageMs / 1000) };
    this.#entries.delete(key);
    return undefined;
  }

  keep(query: Query, message: Buffer, server: string): void {
    const seconds = lifetimeSeconds(message, query);
    if (seconds <= 0) return;
    const storedAtMs = this.#clock.monotonicMs();
    this.#entries.set(keyOf(query), { message, storedAtMs, lifetimeMs: seconds * 1000, server });
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** What may be answered alike: the question in any case, and what of the asker's wishes shapes an answer. */
export function keyOf({ question, edns, flags }: Query): string {
  const wishes = `${edns?.dnssecOk === true ? "D" : ""}${(flags & Flag.cd) === 0 ? "" : "C"}`;
  const typeAt = question.length - 4;
  return `${asciiLowerCase(question.toString("latin1", 0, typeAt))}/${question.readUInt32BE(typeAt)}/${wishes}`;
}

/** 0 for what must not be kept: answers cut short, failures, negative ones without an SOA (RFC 2308 §5). */
function lifetimeSeconds(message: Buffer, query: Query): number {
  const flags = message.readUInt16BE(2);
  const rcode = flags & 0xf;
  const layout = readLayout(message);
  if (layout === undefined || (flags & Flag.tc) !== 0) return 0;
  if (rcode !== Rcode.noError && rcode !== Rcode.nxDomain) return 0;
  const records = layout.records.filter(({ type }) => type !== RecordType.opt);
  const shortest = Math.min(MAX_TTL_SECONDS, ...records.map(({ ttlOffset }) => ttlOf(message, ttlOffset)));
  const type = query.question.readUInt16BE(query.question.length - 4);
  const isPositive =
    rcode === Rcode.noError && records.some((record) => record.section === "answer" && record.type === type);
  if (isPositive) return shortest;
  const soa = records.find((record) => record.section === "authority" && record.type === RecordType.soa);
  // MINIMUM is the last of its numbers (RFC 1035 §3.3.13).
  if (soa === undefined || soa.end - soa.dataOffset < 22) return 0;
  return Math.min(shortest, MAX_NEGATIVE_TTL_SECONDS, message.readUInt32BE(soa.end - 4));
}
