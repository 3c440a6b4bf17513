import { DATA_OVERHEAD_BYTES } from "../constants.ts";

/** Throws RangeError for a run that does not fit its arena: a fault of the caller, never of a received message. */
export function assertRunFits(
  arena: Uint8Array,
  offset: number,
  strideBytes: number,
  count: number,
  lastBytes: number,
): void {
  const isSound =
    count === 0 ||
    (lastBytes >= DATA_OVERHEAD_BYTES &&
      offset >= 0 &&
      (count === 1 || strideBytes >= lastBytes) &&
      offset + (count - 1) * strideBytes + lastBytes <= arena.length);
  if (!isSound) throw new RangeError("the run of messages does not fit the arena");
}

/** Throws RangeError when the received bytes do not fit the arena or `verdicts` has no room for all of them. */
export function assertVerdictsFit(
  arena: Uint8Array,
  offset: number,
  totalBytes: number,
  strideBytes: number,
  verdicts: Uint8Array,
): void {
  const isSound =
    totalBytes === 0 ||
    (strideBytes > 0 &&
      offset >= 0 &&
      offset + totalBytes <= arena.length &&
      Math.ceil(totalBytes / strideBytes) <= verdicts.length);
  if (!isSound) throw new RangeError("the received messages do not fit the arena or the verdicts");
}
