import type { StatusPeer } from "../../api/local.ts";
import type { Logger } from "../../base/logger.ts";
import type { Daemon } from "../daemon.ts";
import type { Progress } from "../peer-plan.ts";

const MAX_PEERS_SHOWN = 8;
const WAIT_FOR_MAP_MS = 5000;
const PING_LIMIT_MS = 5000;

/** Tells of the first peers that are online, and by which path each answers. A peer that does not answer has no path yet. */
export async function firstPeers(daemon: Daemon, progress: Progress, logger: Logger): Promise<void> {
  const peers = await onlinePeers(daemon);
  await Promise.all(
    peers.slice(0, MAX_PEERS_SHOWN).map(async ({ name, ip4, publicKey }) => {
      try {
        const answer = await daemon.session?.pingKey(publicKey, { timeoutMs: PING_LIMIT_MS });
        if (answer === undefined) return;
        const { transport, endpoint, rttMs } = answer;
        progress({ event: "peer", name, ip4, path: { transport, endpoint, rttMs } });
      } catch (failure) {
        logger.debug({ err: failure, peer: name }, "no answer yet");
        progress({ event: "peer", name, ip4, path: null });
      }
    }),
  );
  progress({ event: "settled" });
}

/** Those that the coordinator reports online, as soon as it has sent a map. */
function onlinePeers(daemon: Daemon): Promise<StatusPeer[]> {
  const known = () => daemon.session?.hasFreshMap === true;
  return new Promise((resolve) => {
    const finish = () => {
      stop();
      clearTimeout(timer);
      resolve(daemon.status().peers.filter(({ online }) => online));
    };
    const stop = daemon.onChange(() => {
      if (known()) finish();
    });
    const timer = setTimeout(finish, WAIT_FOR_MAP_MS);
    timer.unref();
    if (known()) finish();
  });
}
