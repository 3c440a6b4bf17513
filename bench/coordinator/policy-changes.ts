import type { CoordinatorMessage } from "../../src/api/control-channel.ts";
import type { Crowd } from "./crowd.ts";
import type { ServedCoordinator } from "./served-coordinator.ts";
import type { Arrival, SimulatedPeer } from "./simulated-peer.ts";

/** Nothing that a change is to bring takes so long; what has not come by then does not come. */
const PATIENCE_MS = 30_000;

/** How peers learned of one change. */
export interface ChangeRecord {
  readonly title: string;
  /** From the command to the last affected peer's message, and to the middle one's. */
  readonly lastMs: number;
  readonly middleMs: number;
  readonly affected: number;
  /** The messages that told it: how many of each type. */
  readonly types: Readonly<Record<string, number>>;
  readonly sizeBytes: number;
}

/** Each of `viewers` is to learn that it sees, or sees no more, each of `others` but itself. */
interface Consequence {
  readonly viewers: readonly SimulatedPeer[];
  readonly others: readonly SimulatedPeer[];
  readonly as: "upserted" | "removed";
}

interface Change {
  readonly title: string;
  readonly make: () => Promise<void> | void;
  readonly consequences: readonly Consequence[];
}

/** Each kind of change in its turn, each followed by the one that undoes it, when all have heard of the one before. */
export async function policyChanges(coordinator: ServedCoordinator, crowd: Crowd): Promise<ChangeRecord[]> {
  const records: ChangeRecord[] = [];
  for (const change of changesOf(coordinator, crowd)) records.push(await observe(change));
  return records;
}

function* changesOf(coordinator: ServedCoordinator, crowd: Crowd): Generator<Change> {
  const [a, b] = crowd.cidrs as [string, string];
  const [ofA, ofB] = [crowd.membersOf(a), crowd.membersOf(b)];
  const notOfA = crowd.peers.filter((peer) => peer.cidr !== a);
  const joined = (one: readonly SimulatedPeer[], two: readonly SimulatedPeer[], as: Consequence["as"]) => [
    { viewers: one, others: two, as },
    { viewers: two, others: one, as },
  ];
  yield {
    title: "an endpoint changes",
    make: () => ofA[0]!.announceEndpoint(),
    consequences: [{ viewers: ofA.slice(1), others: ofA.slice(0, 1), as: "upserted" }],
  };
  yield {
    title: "two CIDRs are associated",
    make: () => coordinator.command("POST", "associations", { from: a, to: b, oneWay: false }),
    consequences: joined(ofA, ofB, "upserted"),
  };
  yield {
    title: "that association is deleted",
    make: () => coordinator.command("DELETE", `associations/${a}/${b}`),
    consequences: joined(ofA, ofB, "removed"),
  };
  yield {
    title: "a CIDR is associated with all",
    make: () => coordinator.command("POST", "associations", { from: a, to: "root", oneWay: false }),
    consequences: joined(ofA, notOfA, "upserted"),
  };
  yield {
    title: "that association is deleted",
    make: () => coordinator.command("DELETE", `associations/${a}/root`),
    consequences: joined(ofA, notOfA, "removed"),
  };
  yield {
    title: "a CIDR is disabled",
    make: () => coordinator.command("POST", `cidrs/${a}/disable`),
    consequences: [{ viewers: ofA, others: ofA, as: "removed" }],
  };
  yield {
    title: "a CIDR is enabled",
    make: () => coordinator.command("POST", `cidrs/${a}/enable`),
    consequences: [{ viewers: ofA, others: ofA, as: "upserted" }],
  };
  const [victim, ...neighbours] = ofA as [SimulatedPeer, ...SimulatedPeer[]];
  const seen = (as: Consequence["as"]) => [{ viewers: neighbours, others: [victim], as }];
  yield {
    title: "a peer is disabled",
    make: () => coordinator.command("POST", `peers/${victim.name}/disable`),
    consequences: seen("removed"),
  };
  yield {
    title: "a peer is enabled",
    make: () => coordinator.command("POST", `peers/${victim.name}/enable`),
    consequences: seen("upserted"),
  };
  yield {
    title: "a peer comes online",
    make: () => victim.connect(coordinator.client),
    consequences: seen("upserted"),
  };
}

/** @throws Error when somebody is not told, or told something else */
async function observe({ title, make, consequences }: Change): Promise<ChangeRecord> {
  const expected = consequences.flatMap(({ viewers, others, as }) =>
    viewers.map((viewer) => ({ viewer, as, keys: others.filter((other) => other !== viewer).map(keyOf) })),
  );
  // Any one of them: they come in one message, which is read when all have come.
  const arrivals = Promise.all(expected.map(({ viewer, keys }) => viewer.arrivalOf(keys[0]!)));
  const beganMs = performance.now();
  const [, seen] = await withinPatience(title, Promise.all([make(), arrivals]));
  for (const [i, { viewer, as, keys }] of expected.entries()) requireSaid(viewer, seen[i]!, as, keys);
  const waitsMs = seen.map(({ atMs }) => atMs - beganMs).sort((x, y) => x - y);
  const types: Record<string, number> = {};
  for (const { type } of seen) types[type] = (types[type] ?? 0) + 1;
  return {
    title,
    lastMs: waitsMs.at(-1)!,
    middleMs: waitsMs[waitsMs.length >> 1]!,
    affected: seen.length,
    types,
    sizeBytes: seen.reduce((sum, { data }) => sum + data.length, 0),
  };
}

function keyOf(peer: SimulatedPeer): string {
  return peer.keys.wireguardKey;
}

/** A whole map says everything, and is counted as what it is. */
function requireSaid(viewer: SimulatedPeer, { data }: Arrival, as: Consequence["as"], keys: string[]): void {
  const message = JSON.parse(data.toString()) as CoordinatorMessage;
  if (message.type !== "delta") return;
  const said = new Set(
    as === "removed" ? message.delta.removed : message.delta.upserted.map((peer) => peer.wireguardKey),
  );
  const missing = keys.filter((key) => !said.has(key));
  if (missing.length > 0) throw new Error(`${viewer.name} is not told of ${missing.length} of ${keys.length} ${as}`);
}

async function withinPatience<T>(title: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${title}: not everybody learns of it`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
