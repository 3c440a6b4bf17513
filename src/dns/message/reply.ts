import dnsPacket, { type Answer } from "dns-packet";
import { Flag, HEADER_BYTES, MAX_UDP_BYTES, PLAIN_UDP_BYTES, type Rcode } from "../constants.ts";
import { type RecordPlace, RecordType, readLayout, SECTIONS } from "./layout.ts";
import type { Query, UnreadableQuery } from "./query.ts";

export interface Content {
  readonly rcode: Rcode;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  /** The answer is ours to give, not what somebody else said. */
  readonly authoritative: boolean;
}

/** Bits of the query's flags that come back as they were (RFC 1035 §4.1.1, RFC 4035 §3.2.2). */
const ECHOED_FLAGS = 0x7800 | Flag.rd | Flag.cd;
/** Of the OPT record's flags: DO comes back (RFC 3225 §3). */
const DNSSEC_OK = 0x8000;

/** A whole reply without the EDNS part, which `finish` adds. */
export function encodeReply(query: Query, { rcode, answers, authorities, authoritative }: Content): Buffer {
  const records = dnsPacket.encode({ type: "response", answers: [...answers], authorities: [...authorities] });
  // The codec has no way to keep the question's bits: its labels are text.
  const message = Buffer.concat([records.subarray(0, HEADER_BYTES), query.question, records.subarray(HEADER_BYTES)]);
  message.writeUInt16BE(1, 4);
  return withHeader(message, query, (authoritative ? Flag.aa : 0) | (rcode & 0xf));
}

/**
 * Somebody else's answer as a reply to this query.
 * @param ageSeconds since it came; its TTLs are that much shorter
 */
export function passOn(query: Query, answer: Buffer, ageSeconds: number): Buffer {
  const { records, questionEnd } = readLayout(answer) ?? { records: [], questionEnd: answer.length };
  // OPT is between two machines only (RFC 6891 §6.2.6). What follows it could be a signature over the message, at most.
  const opt = records.find(({ type }) => type === RecordType.opt);
  const message = Buffer.from(answer.subarray(0, opt?.start ?? records.at(-1)?.end ?? questionEnd));
  const kept = records.filter(({ end }) => end <= message.length);
  writeCounts(message, kept);
  for (const { ttlOffset } of kept) {
    message.writeUInt32BE(Math.max(0, ttlOf(message, ttlOffset) - ageSeconds), ttlOffset);
  }
  query.question.copy(message, HEADER_BYTES);
  return withHeader(message, query, answer.readUInt16BE(2) & (Flag.ad | 0xf));
}

/** Seconds; with the highest bit set it is none (RFC 2181 §8). */
export function ttlOf(message: Buffer, ttlOffset: number): number {
  const seconds = message.readUInt32BE(ttlOffset);
  return seconds > 0x7fff_ffff ? 0 : seconds;
}

/** Cuts a reply to what the asker takes, and adds the EDNS part where it sent one. */
export function finish(query: Query, reply: Buffer, limitBytes: number, extendedRcode = 0): Buffer {
  if (query.edns === undefined) return cutTo(reply, limitBytes);
  const flags = query.edns.dnssecOk ? DNSSEC_OK : 0;
  const opt = dnsPacket.encode({
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: MAX_UDP_BYTES,
        extendedRcode,
        ednsVersion: 0,
        flags,
        flag_do: query.edns.dnssecOk,
        options: [],
      },
    ],
  });
  const option = opt.subarray(HEADER_BYTES);
  const message = Buffer.concat([cutTo(reply, limitBytes - option.length), option]);
  message.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return message;
}

/** Over UDP: what the asker takes, and no more than goes in one piece. */
export function udpLimitOf({ edns }: Query): number {
  return edns === undefined ? PLAIN_UDP_BYTES : Math.min(edns.payloadBytes, MAX_UDP_BYTES);
}

/** A header with the reason, and nothing else: what was asked is not known. */
export function refusal({ id, flags, rcode }: UnreadableQuery): Buffer {
  return withHeader(Buffer.alloc(HEADER_BYTES), { id, flags }, rcode);
}

function withHeader(message: Buffer, { id, flags }: Pick<Query, "id" | "flags">, more: number): Buffer {
  message.writeUInt16BE(id, 0);
  message.writeUInt16BE(Flag.qr | (flags & ECHOED_FLAGS) | Flag.ra | more, 2);
  return message;
}

/** Without the records at the end that are too much: whole ones alone are sent, and TC says so (RFC 2181 §9). */
function cutTo(reply: Buffer, limitBytes: number): Buffer {
  if (reply.length <= limitBytes) return reply;
  const layout = readLayout(reply);
  if (layout === undefined) return reply.subarray(0, HEADER_BYTES);
  const kept: RecordPlace[] = [];
  for (const place of layout.records) {
    if (place.end > limitBytes) break;
    kept.push(place);
  }
  const cut = Buffer.from(reply.subarray(0, kept.at(-1)?.end ?? layout.questionEnd));
  writeCounts(cut, kept);
  const isShort = layout.records.some((place) => place.section !== "additional" && place.end > cut.length);
  if (isShort) cut.writeUInt16BE(cut.readUInt16BE(2) | Flag.tc, 2);
  return cut;
}

function writeCounts(message: Buffer, records: readonly RecordPlace[]): void {
  for (const [section, countOffset] of SECTIONS) {
    message.writeUInt16BE(records.filter((place) => place.section === section).length, countOffset);
  }
}
