/** The median of numbers; of none, undefined. */
export function median(values) {
  return quantile(values, 0.5);
}

/** The `fraction` quantile with linear interpolation between neighbours; of no values, undefined. */
export function quantile(values, fraction) {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * fraction;
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
}
