/** The choices of path selection, milliseconds unless the name says otherwise. */
export const PATH_TIMINGS = {
  /** Data in the last of this: the path in use is probed as fast as it gets. */
  activeMs: 2000,
  /** Data in the last of this: paths are still probed regularly; after it only slowly. */
  warmMs: 45_000,

  /** The path in use while data flows, and any path between its first and its second reply. */
  probeMs: 50,
  /** On a far path a probe for every so much of its round trip is enough. */
  probesPerRtt: 4,
  /** Paths that answer and are not in use, while data flows; and the path in use for a while after. */
  backupProbeMs: 1000,
  warmBackupProbeMs: 5000,
  /** Backups while the path in use is in doubt, and any path whose answer is overdue. */
  doubtProbeMs: 100,
  /** A path under trial or in doubt without data. */
  trialProbeMs: 250,
  /** Everything, while data wants out and no path works. */
  nothingWorksProbeMs: 500,
  /** Idle: a UDP path in use, to hold NAT mappings; a pipe in use; and paths that answer and are not in use. */
  keepWarmMs: 20_000,
  idlePipeProbeMs: 60_000,
  idleBackupProbeMs: 120_000,
  /** Without data for this long, and with a relay to be woken by, nothing is probed any more. */
  asleepMs: 300_000,
  /** How often it is looked whether the session of a sleeping peer has ended. */
  asleepReviewMs: 60_000,
  /** The end that does not lead waits so much longer, and `jitter` adds at most this share. */
  idleFollowingShare: 1.15,
  idleSpread: 0.1,
  /** Gaps between the first probes of a path that has not answered yet. */
  burstMs: [50, 100, 200, 400, 800, 1600, 3200],
  /** Afterwards: while there is data now and then; when idle, doubling up to the two bounds. */
  retryMs: [5000, 10_000],
  idleRetryMs: 5000,
  idleRetryMaxMs: 60_000,
  /** The same for a path that would not be used if it answered. */
  idleWorseRetryMaxMs: 300_000,
  /** Someone was heard by a path without proof: it is probed at once, but no more often than this. */
  heardProbeMs: 250,

  /** Replies in a row that prove a path. */
  provenReplies: 2,
  /** A path in use is in doubt after max(100 ms, 1.5 × RTT + 30 ms) without a reply, and dead after max(800 ms, 4 × RTT). */
  suspectMinMs: 100,
  suspectRtts: 1.5,
  suspectExtraMs: 30,
  suspectUnanswered: 2,
  deadMinMs: 800,
  deadRtts: 4,
  deadUnanswered: 4,
  /** Where the round trip is not known yet. */
  assumedRttMs: 500,
  /** Woken so late, we were asleep ourselves, and nobody else was silent. */
  stallMs: 100,
  /** Proof older than this counts little when data begins to flow. */
  staleMs: 3000,
  /** Who was heard in the last of this has a path that works in one direction at least. */
  heardMs: 5000,

  /** Data is lost when this many messages (more on a lossy path) are missing for this long beyond the round trip. */
  lostMessages: 3,
  lostMs: 150,
  /** Silent as soon as it was in use: it is the data that kills it. */
  diesAtOnceMs: 200,
  /** Of two that both lose many messages, half the loss is better, and up to so much more about the same. */
  lessLossyTimes: 2,
  aboutAsLossyTimes: 1.5,
  /** How long a path that loses data is left alone; doubles. */
  holdMs: 10_000,
  holdMaxMs: 300_000,
  /** A path in use for this long has made up for what happened before. */
  forgivenMs: 60_000,
  /** A path that fell silent again and again must answer for this long before it is used; doubles. */
  steadyMs: 1000,
  steadyMaxMs: 8000,
  /** Replies after which a trial without data has passed. */
  trialReplies: 3,
  /** How long a trial is worth fast probes when there is no data to decide it. */
  trialFastMs: 5000,

  /** A path of the same transport must be nearer by max(10 %, 2 ms), this many replies in a row. */
  nearerShare: 0.1,
  nearerMs: 2,
  nearerReplies: 5,
  /** … than the least round trip of the one in use, over one to two stretches of this. */
  leastRttMs: 3000,
  /** After leaving a path for a nearer one, going back for the same reason takes this long; doubles. */
  dwellMs: 5000,
  dwellMaxMs: 300_000,

  /** How long the ends may differ before one follows: the one that does not lead, the leader, one with a preference. */
  followMs: 1500,
  leaderFollowsMs: 2500,
  preferringFollowsMs: 5000,
  /** … and when neither can, before both look for a third path. */
  apartMs: 8000,

  /** A transport is asked for again after this long, as long as it is wanted. */
  wantMs: 15_000,
  /** Punching in vain is repeated ever more rarely, up to this; and when there is news, no more often than this. */
  punchMaxMs: 120_000,
  punchMinMs: 1000,
  /** UDP gets this long after a session is up before SSH is asked for. */
  wantGraceMs: 1000,
  /** A race receipt is closed after this long. */
  attemptMs: 10_000,
} as const;

export const NEVER = Number.POSITIVE_INFINITY;
