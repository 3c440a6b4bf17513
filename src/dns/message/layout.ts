import { HEADER_BYTES } from "../constants.ts";

export type Section = "answer" | "authority" | "additional";

/** Where a resource record stands in a message, as offsets in bytes (RFC 1035 §4.1.3). */
export interface RecordPlace {
  readonly section: Section;
  readonly start: number;
  readonly type: number;
  readonly ttlOffset: number;
  readonly dataOffset: number;
  /** After its last byte. */
  readonly end: number;
}

export interface MessageLayout {
  /** After the only question, which begins where the header ends. */
  readonly questionEnd: number;
  readonly records: readonly RecordPlace[];
}

export const RecordType = { soa: 6, opt: 41 } as const;

/** Each section's count in the header. */
export const SECTIONS = [
  ["answer", 6],
  ["authority", 8],
  ["additional", 10],
] as const;

/**
 * Where things stand in a message with one question. Messages of others are passed on as the bytes that they are: decoding
 * and encoding them would lose compression, options, and what we do not know.
 * @returns undefined for what is not laid out as a message
 */
export function readLayout(message: Buffer): MessageLayout | undefined {
  if (message.length < HEADER_BYTES || message.readUInt16BE(4) !== 1) return undefined;
  const nameEnd = skipName(message, HEADER_BYTES);
  if (nameEnd === undefined || nameEnd + 4 > message.length) return undefined;
  const questionEnd = nameEnd + 4;
  const records: RecordPlace[] = [];
  let offset = questionEnd;
  for (const [section, countOffset] of SECTIONS) {
    for (let left = message.readUInt16BE(countOffset); left > 0; left--) {
      const start = offset;
      const fixed = skipName(message, start);
      if (fixed === undefined || fixed + 10 > message.length) return undefined;
      const dataOffset = fixed + 10;
      const end = dataOffset + message.readUInt16BE(fixed + 8);
      if (end > message.length) return undefined;
      records.push({ section, start, type: message.readUInt16BE(fixed), ttlOffset: fixed + 4, dataOffset, end });
      offset = end;
    }
  }
  return { questionEnd, records };
}

/** Where the name at `offset` ends: after its last label, or after the pointer to the rest of it. */
function skipName(message: Buffer, offset: number): number | undefined {
  for (let at = offset; at < message.length; ) {
    const length = message[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= message.length ? at + 2 : undefined;
    // 0x40 and 0x80 stand for nothing that is in use (RFC 6891 §5).
    if (length >= 0x40) return undefined;
    at += 1 + length;
    if (at - offset > 255) return undefined;
  }
  return undefined;
}
