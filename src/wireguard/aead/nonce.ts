import { DATA_HEADER_BYTES } from "../constants.ts";

export const NONCE_BYTES = 12;
const COUNTER_BYTES = 8;

/** The nonce of the data message at `offset`: four zero bytes, then the counter as it stands in the header. */
export function nonceFromHeader(nonce: Uint8Array, arena: Uint8Array, offset: number): void {
  const counterStart = offset + DATA_HEADER_BYTES - COUNTER_BYTES;
  for (let i = 0; i < COUNTER_BYTES; i++) {
    nonce[NONCE_BYTES - COUNTER_BYTES + i] = arena[counterStart + i] as number;
  }
}
