import { createHash } from "node:crypto";
import { LISTENER_OCTETS } from "../../host/resolver/former-conf.ts";

const CANDIDATES = 8;

/**
 * Addresses 127.0.0.N, the first of which that is free is to be listened on: the same for the same network each time, mostly
 * another for another one.
 */
export function loopbackCandidates(network: string): readonly string[] {
  const { first, last } = LISTENER_OCTETS;
  const count = last - first + 1;
  const start = createHash("sha256").update(network).digest().readUInt32BE(0) % count;
  return Array.from({ length: CANDIDATES }, (_, i) => `127.0.0.${first + ((start + i) % count)}`);
}
