/** What a peer at rest may cost; the coordinator is measured beside them without a limit. */
export const CPU_LIMIT_PERCENT = 1;
export const RSS_LIMIT_BYTES = 120e6;

/** @param {{isPeer: boolean, cpuPercent: number, rssBytes: number}} entry CPU as percent of one core */
export const isWithinLimits = ({ isPeer, cpuPercent, rssBytes }) =>
  !isPeer || (cpuPercent < CPU_LIMIT_PERCENT && rssBytes < RSS_LIMIT_BYTES);
