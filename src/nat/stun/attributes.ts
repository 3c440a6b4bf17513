import { crc32 } from "node:zlib";
import { ATTRIBUTE_HEADER_BYTES, AttributeType, FINGERPRINT_XOR, HEADER_BYTES, MAGIC_COOKIE } from "./constants.ts";

/** One attribute of a message, where it stands in it. */
export interface Attribute {
  readonly type: number;
  /** Of the attribute's header. */
  readonly offset: number;
  /** Of the value, without padding. */
  readonly sizeBytes: number;
}

/**
 * The attributes of a datagram that is one whole STUN message, or undefined when it is none (RFC 8489 §5, §6.3, §14):
 *
 *     | 00 | type 14 bit | length u16 | magic cookie u32 | transaction id 12 | attributes … |
 *       0                  2            4                  8                   20
 *     attribute: | type u16 | size u16 | value, padded to a multiple of 4 |
 *
 * A FINGERPRINT must be the last one, and right.
 */
export function readAttributes(bytes: Uint8Array): readonly Attribute[] | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length % 4 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hasHeader = view.getUint8(0) < 0x40 && view.getUint32(4) === MAGIC_COOKIE;
  if (!hasHeader || view.getUint16(2) !== bytes.length - HEADER_BYTES) return undefined;
  const attributes: Attribute[] = [];
  for (let offset = HEADER_BYTES; offset < bytes.length; ) {
    const attribute = { type: view.getUint16(offset), offset, sizeBytes: view.getUint16(offset + 2) };
    offset += ATTRIBUTE_HEADER_BYTES + paddedBytes(attribute.sizeBytes);
    if (offset > bytes.length) return undefined;
    if (attribute.type === AttributeType.fingerprint) {
      const isLast = attribute.sizeBytes === 4 && offset === bytes.length;
      if (!isLast || view.getUint32(attribute.offset + 4) !== fingerprintOf(bytes.subarray(0, attribute.offset)))
        return undefined;
    }
    attributes.push(attribute);
  }
  return attributes;
}

function paddedBytes(sizeBytes: number): number {
  return (sizeBytes + 3) & ~3;
}

/** §14.7; of all that stands before the attribute. */
function fingerprintOf(bytes: Uint8Array): number {
  return (crc32(bytes) ^ FINGERPRINT_XOR) >>> 0;
}
