// Types of idle-limits.mjs, which stays plain JavaScript: benchmarks run from a checkout without a build of their own.
interface IdleEntry {
  readonly isPeer: boolean;
  readonly cpuPercent: number;
  readonly rssBytes: number;
}

export const CPU_LIMIT_PERCENT: number;
export const RSS_LIMIT_BYTES: number;
export function isWithinLimits(entry: IdleEntry): boolean;
