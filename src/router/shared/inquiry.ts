import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import { INNER_VERSION } from "./probe.ts";

/**
 * A question to the other end's control thread, or the answer to one, inside the session as a probe is (`probe.ts`): whoever
 * asks is known by the session, and no port is open for it. Integers are in network order.
 *
 *     | 0xf version 4 | type u8 = 4, 5 | length u16 | id u32 | sequence u32 | body … |
 *       0               1                2            4        8              12
 *
 * `length` counts the whole message; what stands behind it is padding. Id and sequence are the asker's and come back as they
 * were. The body is JSON (`src/api/explain.ts`).
 */
export const InquiryType = { question: 4, answer: 5 } as const;
/** Together with the header no more than every path is supposed to carry in one piece. */
export const MAX_INQUIRY_BODY_BYTES = 1088;

const HEADER_BYTES = 12;

export interface Inquiry {
  readonly isAnswer: boolean;
  readonly id: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

export function inquiryBytes({ body }: Inquiry): number {
  return HEADER_BYTES + body.length;
}

/** Writes it in `inquiryBytes` bytes at `offset`. */
export function writeInquiry(buffer: PacketBuffer, offset: number, inquiry: Inquiry): void {
  const { view, bytes } = buffer;
  view.setUint8(offset, INNER_VERSION);
  view.setUint8(offset + 1, inquiry.isAnswer ? InquiryType.answer : InquiryType.question);
  view.setUint16(offset + 2, inquiryBytes(inquiry));
  view.setUint32(offset + 4, inquiry.id);
  view.setUint32(offset + 8, inquiry.sequence);
  bytes.set(inquiry.body, offset + HEADER_BYTES);
}

/** The inquiry in at most `sizeBytes` bytes at `offset`; undefined when it is none that we know, ends too soon or is too long. */
export function readInquiry(buffer: PacketBuffer, offset: number, sizeBytes: number): Inquiry | undefined {
  if (sizeBytes < HEADER_BYTES) return undefined;
  const { view, bytes } = buffer;
  const type = view.getUint8(offset + 1);
  if (view.getUint8(offset) !== INNER_VERSION) return undefined;
  if (type !== InquiryType.question && type !== InquiryType.answer) return undefined;
  const length = view.getUint16(offset + 2);
  if (length < HEADER_BYTES || length > Math.min(sizeBytes, HEADER_BYTES + MAX_INQUIRY_BODY_BYTES)) return undefined;
  return {
    isAnswer: type === InquiryType.answer,
    id: view.getUint32(offset + 4),
    sequence: view.getUint32(offset + 8),
    body: Uint8Array.from(bytes.subarray(offset + HEADER_BYTES, offset + length)),
  };
}
