import stun from "stun";
import { canonicalAddress } from "../../packet/address.ts";
import type { UdpEndpoint } from "../../packet/endpoint.ts";
import { type Attribute, readAttributes } from "./attributes.ts";
import {
  ATTRIBUTE_HEADER_BYTES,
  AttributeType,
  FIRST_OPTIONAL_TYPE,
  HEADER_BYTES,
  KNOWN_IN_ANSWER,
  KNOWN_IN_REQUEST,
  MessageType,
  UNKNOWN_ATTRIBUTE,
} from "./constants.ts";

/**
 * Binding messages of STUN (RFC 8489) without authentication. What comes from the network is taken apart here and
 * checked whole; npm `stun` is shown address attributes of the right size only, and writes what we send.
 */
export type BindingMessage =
  | {
      readonly kind: "request";
      readonly transactionId: TransactionId;
      readonly hasFingerprint: boolean;
      /** Attributes that the sender wants understood, and that we do not know. */
      readonly unknownTypes: readonly number[];
    }
  | { readonly kind: "success"; readonly transactionId: TransactionId; readonly reflexive: UdpEndpoint }
  | { readonly kind: "error"; readonly transactionId: TransactionId; readonly code: number };

/** 12 bytes in lower-case hex, so that it can be compared and be a key. */
export type TransactionId = string;

export const TRANSACTION_ID_BYTES = 12;
const TRANSACTION_ID_OFFSET = 8;
/** Family, port and address: after one byte that means nothing. */
const ADDRESS_BYTES = { 1: 8, 2: 20 } as const;
const UNSPECIFIED = new Set(["0.0.0.0", "::"]);

/** The Binding message that `bytes` is as a whole, or undefined when it is something else or says nothing of use. */
export function decodeBinding(bytes: Uint8Array): BindingMessage | undefined {
  const attributes = readAttributes(bytes);
  if (attributes === undefined) return undefined;
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const transactionId = message.toString("hex", TRANSACTION_ID_OFFSET, HEADER_BYTES);
  switch (message.readUInt16BE(0)) {
    case MessageType.request: {
      const hasFingerprint = attributes.at(-1)?.type === AttributeType.fingerprint;
      return { kind: "request", transactionId, hasFingerprint, unknownTypes: unknown(attributes, KNOWN_IN_REQUEST) };
    }
    case MessageType.success: {
      // §6.3.3: an answer with an attribute that must be understood and is not counts for nothing.
      if (unknown(attributes, KNOWN_IN_ANSWER).length > 0) return undefined;
      const reflexive = readReflexive(message, attributes);
      return reflexive === undefined ? undefined : { kind: "success", transactionId, reflexive };
    }
    case MessageType.error: {
      const code = readErrorCode(message, attributes);
      return code === undefined ? undefined : { kind: "error", transactionId, code };
    }
    default:
      return undefined;
  }
}

/** With FINGERPRINT, which tells it from WireGuard on the same socket, and makes the server put one into its answer. */
export function encodeBindingRequest(transactionId: TransactionId): Uint8Array {
  const message = stun.createMessage(MessageType.request, Buffer.from(transactionId, "hex"));
  message.addFingerprint();
  return message.toBuffer();
}

interface AnswerTo {
  readonly transactionId: TransactionId;
  readonly hasFingerprint: boolean;
}

/** `reflexive`: where the request came from; its port is not 0. */
export function encodeBindingSuccess({ transactionId, hasFingerprint }: AnswerTo, reflexive: UdpEndpoint): Uint8Array {
  const message = stun.createMessage(MessageType.success, Buffer.from(transactionId, "hex"));
  message.addXorAddress(reflexive.address, reflexive.port);
  if (hasFingerprint) message.addFingerprint();
  return message.toBuffer();
}

/** §6.3.1: the answer to a request with attributes that must be understood and are not. */
export function encodeUnknownAttributes(
  { transactionId, hasFingerprint }: AnswerTo,
  unknownTypes: readonly number[],
): Uint8Array {
  const message = stun.createMessage(MessageType.error, Buffer.from(transactionId, "hex"));
  message.addError(UNKNOWN_ATTRIBUTE);
  message.addUnknownAttributes(unknownTypes);
  if (hasFingerprint) message.addFingerprint();
  return message.toBuffer();
}

function unknown(attributes: readonly Attribute[], known: ReadonlySet<number>): readonly number[] {
  const types = attributes.map(({ type }) => type).filter((type) => type < FIRST_OPTIONAL_TYPE && !known.has(type));
  return [...new Set(types)];
}

/** XOR-MAPPED-ADDRESS (§14.2), or what servers of RFC 3489 say: MAPPED-ADDRESS. */
function readReflexive(message: Buffer, attributes: readonly Attribute[]): UdpEndpoint | undefined {
  for (const type of [AttributeType.xorMappedAddress, AttributeType.mappedAddress]) {
    const attribute = attributes.find((each) => each.type === type);
    if (attribute !== undefined) return readAddress(message, attribute);
  }
  return undefined;
}

function readAddress(message: Buffer, { type, offset, sizeBytes }: Attribute): UdpEndpoint | undefined {
  const value = offset + ATTRIBUTE_HEADER_BYTES;
  const family = sizeBytes >= 2 ? message.readUInt8(value + 1) : 0;
  if ((family !== 0x01 && family !== 0x02) || sizeBytes !== ADDRESS_BYTES[family]) return undefined;
  // A message of this attribute alone: the others are neither of use nor known to be well-formed.
  const excerpt = Buffer.concat([message.subarray(0, HEADER_BYTES), message.subarray(offset, value + sizeBytes)]);
  excerpt.writeUInt16BE(excerpt.length - HEADER_BYTES, 2);
  const decoded = stun.decode(excerpt);
  const mapped = type === AttributeType.xorMappedAddress ? decoded.getXorAddress() : decoded.getAddress();
  if (mapped === undefined || mapped.port === 0) return undefined;
  const address = canonicalAddress(mapped.address).replace(/^::ffff:(?=\d+\.)/, "");
  return UNSPECIFIED.has(address) ? undefined : { address, port: mapped.port };
}

/** §14.8: class and number; npm `stun` 2 multiplies the two in the wrong way. */
function readErrorCode(message: Buffer, attributes: readonly Attribute[]): number | undefined {
  const attribute = attributes.find(({ type }) => type === AttributeType.errorCode);
  if (attribute === undefined || attribute.sizeBytes < 4) return undefined;
  const value = attribute.offset + ATTRIBUTE_HEADER_BYTES;
  const [hundreds, rest] = [message.readUInt8(value + 2) & 0x07, message.readUInt8(value + 3)];
  return hundreds >= 3 && hundreds <= 6 && rest <= 99 ? 100 * hundreds + rest : undefined;
}
