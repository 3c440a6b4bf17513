import { formatAddress, parseAddress } from "../../packet/address.ts";
import type { UdpEndpoint } from "../../packet/endpoint.ts";

/**
 * Port Control Protocol (RFC 6887), as much as it takes to map one UDP port: MAP requests and their answers.
 *
 *     request:  | 2 | opcode | 0 0 | lifetime u32 | client address 16 |                                 §7.1
 *     answer:   | 2 | 0x80 + opcode | 0 | result | lifetime u32 | epoch u32 | 0 × 12 |                  §7.2
 *     both, MAP: | nonce 12 | protocol | 0 0 0 | internal port u16 | external port u16 | external address 16 |   §11.1
 *
 * Integers in network order; IPv4 addresses v4-mapped (§5).
 */
export const PCP_VERSION = 2;
export const PCP_NONCE_BYTES = 12;

const OPCODE_MAP = 1;
const RESPONSE_BIT = 0x80;
const PROTOCOL_UDP = 17;
const HEADER_BYTES = 24;
const MAP_BYTES = 60;
/** §7: no message is longer. */
const MAX_BYTES = 1100;
const NONCE_OFFSET = HEADER_BYTES;
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** §7.4 */
export const PcpResult = {
  success: 0,
  unsupportedVersion: 1,
  notAuthorized: 2,
  unsupportedOpcode: 4,
} as const;

export interface PcpMapRequest {
  /** 12 bytes that nobody can guess; the same for every request about one mapping. */
  readonly nonce: Uint8Array;
  /** The address that the request is sent from. */
  readonly clientAddress: string;
  readonly internalPort: number;
  /** What we would like to have: what we had. */
  readonly external: UdpEndpoint | undefined;
  /** 0 takes the mapping away. */
  readonly lifetimeSeconds: number;
}

export interface PcpMapAnswer {
  readonly result: number;
  /** Of the mapping; of an error, how long it lasts. */
  readonly lifetimeSeconds: number;
  readonly nonce: Uint8Array;
  readonly internalPort: number;
  readonly external: UdpEndpoint;
}

export function encodePcpMap(request: PcpMapRequest): Uint8Array {
  const { nonce, clientAddress, internalPort, external, lifetimeSeconds } = request;
  const bytes = Buffer.alloc(MAP_BYTES);
  bytes.writeUInt8(PCP_VERSION, 0);
  bytes.writeUInt8(OPCODE_MAP, 1);
  bytes.writeUInt32BE(lifetimeSeconds, 4);
  bytes.set(toMapped(clientAddress), 8);
  bytes.set(nonce, NONCE_OFFSET);
  bytes.writeUInt8(PROTOCOL_UDP, 36);
  bytes.writeUInt16BE(internalPort, 40);
  bytes.writeUInt16BE(external?.port ?? 0, 42);
  // §11.1: all zeros, in the client's family, for no wish.
  bytes.set(toMapped(external?.address ?? (clientAddress.includes(":") ? "::" : "0.0.0.0")), 44);
  return bytes;
}

/** The answer to a MAP request for UDP, or undefined when `bytes` are none. Errors, too, repeat the request (§8.3). */
export function decodePcpMap(bytes: Uint8Array): PcpMapAnswer | undefined {
  const isWhole = bytes.length >= HEADER_BYTES && bytes.length <= MAX_BYTES && bytes.length % 4 === 0;
  if (!isWhole || bytes[0] !== PCP_VERSION || bytes[1] !== (RESPONSE_BIT | OPCODE_MAP)) return undefined;
  if (bytes.length < MAP_BYTES || bytes[36] !== PROTOCOL_UDP) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    result: view.getUint8(3),
    lifetimeSeconds: view.getUint32(4),
    nonce: bytes.slice(NONCE_OFFSET, NONCE_OFFSET + PCP_NONCE_BYTES),
    internalPort: view.getUint16(40),
    external: { address: fromMapped(bytes.subarray(44, 60)), port: view.getUint16(42) },
  };
}

function toMapped(address: string): Uint8Array {
  const bytes = parseAddress(address.replace(/%.*$/, ""));
  return bytes.length === 16 ? bytes : Uint8Array.from([...MAPPED_PREFIX, ...bytes]);
}

function fromMapped(bytes: Uint8Array): string {
  const isIpv4 = MAPPED_PREFIX.every((byte, i) => bytes[i] === byte);
  return formatAddress(isIpv4 ? bytes.subarray(MAPPED_PREFIX.length) : bytes);
}
