/**
 * At most `count` sizes above `low` and below `high`, evenly spread and ascending, the last one `high − 1`: whichever of
 * them pass, what is left of the range is `count` times narrower.
 */
export function ladder(low: number, high: number, count: number): number[] {
  const span = high - 1 - low;
  const rungs = Math.min(count, span);
  return Array.from({ length: Math.max(0, rungs) }, (_, i) => low + Math.ceil((span * (i + 1)) / rungs));
}
