import { formatAddress } from "../../packet/address.ts";

/**
 * NAT Port Mapping Protocol (RFC 6886): the external address, and mappings of UDP ports.
 *
 *     request:  | 0 | 0 |                                                                              §3.2
 *     answer:   | 0 | 128 | result u16 | epoch u32 | external address 4 |
 *     request:  | 0 | 1 | 0 0 | internal port u16 | external port u16 | lifetime u32 |                 §3.3
 *     answer:   | 0 | 129 | result u16 | epoch u32 | internal port u16 | external port u16 | lifetime u32 |
 *
 * Integers in network order.
 */
export const NAT_PMP_VERSION = 0;
export const NAT_PMP_SUCCESS = 0;

const OPCODE_ADDRESS = 0;
const OPCODE_MAP_UDP = 1;
const RESPONSE_BIT = 0x80;
const ADDRESS_ANSWER_BYTES = 12;
const MAP_BYTES = 12;
const MAP_ANSWER_BYTES = 16;
const RESULT_ANSWER_BYTES = 4;

export interface NatPmpMapRequest {
  readonly internalPort: number;
  /** What we would like to have; 0 for no wish, and when the mapping is taken away. */
  readonly externalPort: number;
  /** 0 takes the mapping away. */
  readonly lifetimeSeconds: number;
}

export type NatPmpAnswer =
  | { readonly kind: "address"; readonly address: string }
  | {
      readonly kind: "mapping";
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeSeconds: number;
    }
  /** §3.5; also how a gateway that speaks NAT-PMP alone answers PCP. */
  | { readonly kind: "error"; readonly result: number };

export function encodeNatPmpAddress(): Uint8Array {
  return Uint8Array.of(NAT_PMP_VERSION, OPCODE_ADDRESS);
}

export function encodeNatPmpMap({ internalPort, externalPort, lifetimeSeconds }: NatPmpMapRequest): Uint8Array {
  const bytes = Buffer.alloc(MAP_BYTES);
  bytes.writeUInt8(NAT_PMP_VERSION, 0);
  bytes.writeUInt8(OPCODE_MAP_UDP, 1);
  bytes.writeUInt16BE(internalPort, 4);
  bytes.writeUInt16BE(externalPort, 6);
  bytes.writeUInt32BE(lifetimeSeconds, 8);
  return bytes;
}

/** The answer that `bytes` are, or undefined when they are none. */
export function decodeNatPmp(bytes: Uint8Array): NatPmpAnswer | undefined {
  if (bytes.length < RESULT_ANSWER_BYTES || bytes[0] !== NAT_PMP_VERSION) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opcode = view.getUint8(1);
  if ((opcode & RESPONSE_BIT) === 0) return undefined;
  const result = view.getUint16(2);
  if (result !== NAT_PMP_SUCCESS) return { kind: "error", result };
  if (opcode === (RESPONSE_BIT | OPCODE_ADDRESS) && bytes.length === ADDRESS_ANSWER_BYTES) {
    return { kind: "address", address: formatAddress(bytes.subarray(8, 12)) };
  }
  if (opcode === (RESPONSE_BIT | OPCODE_MAP_UDP) && bytes.length === MAP_ANSWER_BYTES) {
    const [internalPort, externalPort] = [view.getUint16(8), view.getUint16(10)];
    return { kind: "mapping", internalPort, externalPort, lifetimeSeconds: view.getUint32(12) };
  }
  return undefined;
}
