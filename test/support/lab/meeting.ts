import type { TransportName } from "../../../src/base/transports.ts";
import { eventually } from "./eventually.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import { PingFlow } from "./ping-flow.ts";

/** How two peers came together; from when one began to ping the other. */
export interface Meeting {
  /** To the first answer; the start of the program `ping` is in it. */
  readonly firstAnswerMs: number;
  /** Until both ends used the transport that was expected. */
  readonly settledMs: number;
  /** Packets without an answer, the first one included. */
  readonly lost: number;
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
  const startMs = Date.now();
  await Promise.all([allow(to, from), allow(from, to)]);
  await using flow = await PingFlow.start(from.host, address, INTERVAL_MS);
  const ways = [
    [from, to],
    [to, from],
  ] as const;
  const sinceMs = await Promise.all(ways.map(([peer, other]) => waitForTransport(peer, other, transport)));
  const { answered } = flow;
  await eventually("packets flow by it", () => flow.answered > answered + 10, { timeoutMs: 10_000 });
  if (untilRaceEnds) {
    await Promise.all(ways.map(([peer, other]) => waitForRaceEnd(peer, other)));
    await Promise.all(ways.map(([peer, other]) => waitForTransport(peer, other, transport)));
  }
  return {
    firstAnswerMs: flow.first.atMs - startMs,
    settledMs: Math.max(...sinceMs) - startMs,
    lost: flow.first.sequence - 1 + flow.result().lost,
  };
}

/** Whatever the configuration says of the other one, all transports may be used; as soon as it is known. */
async function allow(peer: MeshPeer, other: MeshPeer): Promise<void> {
  const request = { peer: other.host.label, preference: { prefer: null, exclude: [] } };
  await eventually(`${peer.host.label} knows ${other.host.label}`, () => peer.local.prefer(request));
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
