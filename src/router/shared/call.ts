import type { UdpEndpoint } from "../../packet/endpoint.ts";
import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import { EndpointRecord } from "../../transports/endpoint-record.ts";
import { INNER_VERSION } from "./probe.ts";

/**
 * A call, inside the session as a probe is (`probe.ts`): its sender sends to all our addresses by UDP just now, and is
 * reached at these itself, best first. Integers are in network order.
 *
 *     | 0xf version 4 | type u8 = 3 | length u16 | flags u32 | endpoints …
 *       0               1             2            4           8
 *     endpoint:  | port u16 | 0 u16 | address 16 |
 *
 * `length` counts the whole message; what stands behind it is padding. IPv4 addresses are v4-mapped IPv6 addresses.
 */
export const CALL_TYPE = 3;
export const MAX_CALL_ENDPOINTS = 16;

const HEADER_BYTES = 8;
const ENDPOINT_BYTES = 20;
const ADDRESS = 4;

const CallFlag = { isAnswer: 1 } as const;

export interface Call {
  /** It answers one of ours, and wants no answer itself. */
  readonly isAnswer: boolean;
  readonly endpoints: readonly UdpEndpoint[];
}

export function callBytes({ endpoints }: Call): number {
  return HEADER_BYTES + ENDPOINT_BYTES * endpoints.length;
}

/** Writes it in `callBytes` bytes at `offset`. */
export function writeCall(buffer: PacketBuffer, offset: number, call: Call): void {
  const { view } = buffer;
  const record = new EndpointRecord();
  view.setUint8(offset, INNER_VERSION);
  view.setUint8(offset + 1, CALL_TYPE);
  view.setUint16(offset + 2, callBytes(call));
  view.setUint32(offset + 4, call.isAnswer ? CallFlag.isAnswer : 0);
  for (const [i, endpoint] of call.endpoints.entries()) {
    const at = offset + HEADER_BYTES + ENDPOINT_BYTES * i;
    record.set(endpoint);
    view.setUint16(at, endpoint.port);
    view.setUint16(at + 2, 0);
    record.writeMapped(view, at + ADDRESS);
  }
}

/** The call in at most `sizeBytes` bytes at `offset`; undefined when it is none that we know, or ends too soon. */
export function readCall(buffer: PacketBuffer, offset: number, sizeBytes: number): Call | undefined {
  if (sizeBytes < HEADER_BYTES) return undefined;
  const { view } = buffer;
  if (view.getUint8(offset) !== INNER_VERSION || view.getUint8(offset + 1) !== CALL_TYPE) return undefined;
  const length = view.getUint16(offset + 2);
  if (length < HEADER_BYTES || length > sizeBytes) return undefined;
  const count = Math.min(MAX_CALL_ENDPOINTS, Math.floor((length - HEADER_BYTES) / ENDPOINT_BYTES));
  const record = new EndpointRecord();
  const endpoints: UdpEndpoint[] = [];
  for (let i = 0; i < count; i++) {
    const at = offset + HEADER_BYTES + ENDPOINT_BYTES * i;
    const port = view.getUint16(at);
    record.readMapped(view, at + ADDRESS, port);
    const endpoint = record.toEndpoint();
    if (port !== 0 && endpoint !== null && !("pipe" in endpoint)) endpoints.push(endpoint);
  }
  return { isAnswer: (view.getUint32(offset + 4) & CallFlag.isAnswer) !== 0, endpoints };
}
