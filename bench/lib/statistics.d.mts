// Types of statistics.mjs, which stays plain JavaScript: benchmarks run from a checkout without a build of their own.
export function median(values: readonly number[]): number | undefined;
export function quantile(values: readonly number[], fraction: number): number | undefined;
