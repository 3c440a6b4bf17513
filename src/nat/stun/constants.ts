/** RFC 8489: numbers of the specification, apart from our own choices. */

/** §5: network order, at byte 4. */
export const MAGIC_COOKIE = 0x2112a442;
/** §5 */
export const HEADER_BYTES = 20;
/** §14: type and length, before the value. */
export const ATTRIBUTE_HEADER_BYTES = 4;

/** §5 and §18.1: method Binding in each of its classes that we use. */
export const MessageType = { request: 0x0001, success: 0x0101, error: 0x0111 } as const;

/** §18.2 */
export const AttributeType = {
  mappedAddress: 0x0001,
  errorCode: 0x0009,
  xorMappedAddress: 0x0020,
  fingerprint: 0x8028,
} as const;

/** §14: a receiver that does not know an attribute below this must not go on as if it were not there. */
export const FIRST_OPTIONAL_TYPE = 0x8000;

/**
 * Attributes below `FIRST_OPTIONAL_TYPE` that a Binding exchange without authentication may pass over: those of §18.2
 * that concern credentials, and in answers those that RFC 3489 servers add to MAPPED-ADDRESS.
 */
const CREDENTIALS = [0x0006, 0x0008, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e];
export const KNOWN_IN_REQUEST: ReadonlySet<number> = new Set(CREDENTIALS);
export const KNOWN_IN_ANSWER: ReadonlySet<number> = new Set([
  ...CREDENTIALS,
  AttributeType.mappedAddress,
  AttributeType.errorCode,
  AttributeType.xorMappedAddress,
  0x0002,
  0x0003,
  0x0004,
  0x0005,
  0x000a,
  0x000b,
]);

/** §14.7 */
export const FINGERPRINT_XOR = 0x5354554e;
/** §14.8 */
export const UNKNOWN_ATTRIBUTE = 420;
