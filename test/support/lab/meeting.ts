import type { TransportName } from "../../../src/api/path-preference.ts";
import { eventually } from "./eventually.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import { PingFlow } from "./ping-flow.ts";

/** How two peers that had not spoken yet came together; from the first packet that one sent to the other. */
export interface Meeting {
  /** To the first answer. */
  readonly firstAnswerMs: number;
  /** Until both ends used the transport that was expected. */
  readonly settledMs: number;
}

export interface MeetingOptions {
  readonly transport: TransportName;
  /** Waits until both ends have tried all that they know: nothing else may win then. */
  readonly untilRaceEnds?: boolean;
}

const INTERVAL_MS = 50;
/** What two peers have to find their path. */
export const MEETING_LIMIT_MS = 15_000;

/** `from` pings `to`, until both ends use the expected transport and packets flow by it. Fails when that takes too long. */
export async function meet(from: MeshPeer, to: MeshPeer, options: MeetingOptions): Promise<Meeting> {
  const { transport, untilRaceEnds = false } = options;
  const address = (await to.local.status()).self!.ip4;
  await using flow = await PingFlow.start(from.host, address, INTERVAL_MS);
  const ways = [
    [from, to],
    [to, from],
  ] as const;
  const sinceMs = await Promise.all(ways.map(([peer, other]) => waitForTransport(peer, other, transport)));
  flow.restart();
  await eventually("packets flow by it", () => flow.answered > 10, { timeoutMs: 10_000 });
  if (untilRaceEnds) {
    await Promise.all(ways.map(([peer, other]) => waitForRaceEnd(peer, other)));
    await Promise.all(ways.map(([peer, other]) => waitForTransport(peer, other, transport)));
  }
  return {
    firstAnswerMs: flow.firstAnswerMs - flow.firstSentMs,
    settledMs: Math.max(...sinceMs) - flow.firstSentMs,
  };
}

/** @returns since when, wall clock, ms */
function waitForTransport(peer: MeshPeer, other: MeshPeer, transport: TransportName): Promise<number> {
  return eventually(
    `${peer.host.label} reaches ${other.host.label} by ${transport}`,
    async () => {
      const path = (await statusOf(peer, other))?.path;
      if (path?.transport !== transport) throw new Error(`the path is ${JSON.stringify(path)}`);
      return Date.parse(path.since);
    },
    { timeoutMs: MEETING_LIMIT_MS, intervalMs: 50 },
  );
}

function waitForRaceEnd(peer: MeshPeer, other: MeshPeer): Promise<true> {
  return eventually(
    `${peer.host.label} has done with looking for paths to ${other.host.label}`,
    async () => {
      const attempts = (await statusOf(peer, other))?.attempts ?? [];
      return attempts.length > 0 && attempts.every(({ endedAt }) => endedAt !== null) ? true : undefined;
    },
    { timeoutMs: 30_000, intervalMs: 500 },
  );
}

async function statusOf(peer: MeshPeer, other: MeshPeer) {
  const { peers } = await peer.local.status();
  return peers.find(({ name }) => name === other.host.label);
}
