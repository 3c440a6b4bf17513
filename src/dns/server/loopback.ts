import { createHash } from "node:crypto";

/** 127.0.0.53 and .54 are systemd-resolved's; the lower ones people use themselves. */
const FIRST = 64;
const LAST = 253;
const CANDIDATES = 8;

/**
 * Addresses 127.0.0.N, the first of which that is free is to be listened on: the same for the same network each time, mostly
 * another for another one.
 */
export function loopbackCandidates(network: string): readonly string[] {
  const count = LAST - FIRST + 1;
  const start = createHash("sha256").update(network).digest().readUInt32BE(0) % count;
  return Array.from({ length: CANDIDATES }, (_, i) => `127.0.0.${FIRST + ((start + i) % count)}`);
}
