import type { PathCapacity } from "../path-mtu/peer-mtus.ts";
import type { PeerPathsStatus } from "../paths/peer-paths.ts";
import type { TunnelPath, TunnelPathsStatus } from "./tunnel-types.ts";

export interface PathsStatusContext {
  /** Where the path of this number leads, for people. */
  readonly endpointOf: (path: number) => string | undefined;
  readonly mtuOf: (path: number) => PathCapacity | undefined;
  /** Wall clock minus monotonic clock. */
  readonly wallAheadMs: number;
}

/** The view of path selection in what a status speaks: addresses instead of numbers, wall-clock times. */
export function pathsStatus(
  status: PeerPathsStatus,
  { endpointOf, mtuOf, wallAheadMs }: PathsStatusContext,
): Omit<TunnelPathsStatus, "changes" | "losses"> {
  const wall = (monotonicMs: number | null) => (monotonicMs === null ? null : monotonicMs + wallAheadMs);
  const paths = new Map(status.paths.map((path) => [path.id, publicPath(path, endpointOf(path.id), mtuOf(path.id))]));
  const current = status.primary === null || !status.isWorking ? undefined : paths.get(status.primary);
  const second = status.second === null ? undefined : paths.get(status.second);
  return {
    current:
      current === undefined ? null : { ...current, sinceMs: status.sinceMs + wallAheadMs, reason: status.reason },
    second: second === undefined ? null : { ...second, reason: status.whySecond ?? "" },
    all: [...paths.values()],
    attempts: status.attempts.map(({ cause, startedMs, endedMs, entries }) => ({
      cause,
      startedAtMs: startedMs + wallAheadMs,
      endedAtMs: wall(endedMs),
      candidates: entries.map(({ id, label, triedAtMs, heardAtMs, answeredAtMs, ...entry }) => ({
        ...entry,
        endpoint: nameOf(label, endpointOf(id)),
        triedAtMs: wall(triedAtMs),
        heardAtMs: wall(heardAtMs),
        answeredAtMs: wall(answeredAtMs),
      })),
    })),
  };
}

function publicPath(
  path: PeerPathsStatus["paths"][number],
  endpoint: string | undefined,
  capacity: PathCapacity | undefined,
): TunnelPath {
  const { transport, label, rttMs, isUsable, detail } = path;
  const mtuBytes = capacity?.isSettled ? capacity.mtuBytes : null;
  return { transport, endpoint: nameOf(label, endpoint), rttMs, mtuBytes, isUsable, detail };
}

/** A pipe has no address before it is open: selection calls it by its number, which tells people nothing. */
function nameOf(label: string, endpoint: string | undefined): string {
  return endpoint ?? (label.startsWith("pipe ") ? "" : label);
}
