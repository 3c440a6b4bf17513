import { setTimeout as sleep } from "node:timers/promises";
import type { PingReply } from "../api/local.ts";
import type { MapPeer, NetworkMap, SelfInfo } from "../api/network-map.ts";
import { asMeshError, MeshError } from "../base/errors.ts";
import type { TransportName } from "../base/transports.ts";

export interface PingSchedule {
  /** 0 for no end. */
  readonly count: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export type PingOnce = (
  publicKey: string,
  options: { readonly timeoutMs: number },
) => Promise<{ readonly rttMs: number; readonly transport: TransportName; readonly endpoint: string }>;

/** Whether `target` means a machine: its name, its name in the network's domain, or one of its addresses. */
export function isMeantBy(map: NetworkMap, target: string): (one: MapPeer | SelfInfo) => boolean {
  const wanted = target.toLowerCase().replace(/\.$/, "");
  const suffix = `.${map.network.domain}`;
  const name = wanted.endsWith(suffix) ? wanted.slice(0, -suffix.length) : wanted;
  return (one) => one.name === name || one.ip4 === wanted || one.ip6 === wanted;
}

/** The peer that `target` means. @throws MeshError `not-found` */
export function findPeer(map: NetworkMap | undefined, target: string): MapPeer {
  if (map === undefined) throw new MeshError("not-found", `there is no peer ${target}`, { hint: "See `mesh peers`." });
  const isMeant = isMeantBy(map, target);
  const found = map.peers.find(isMeant);
  if (found !== undefined) return found;
  if (isMeant(map.self)) {
    throw new MeshError("not-found", `${target} is this machine`, { hint: "Name another peer; see `mesh peers`." });
  }
  throw new MeshError("not-found", `there is no peer ${target}`, { hint: "See `mesh peers`." });
}

/** One answer a ping, sent `intervalMs` apart; one that stays out is an answer with an error, not an exception. */
export async function* pingRepeatedly(
  peer: MapPeer,
  schedule: PingSchedule,
  ping: PingOnce,
  signal: AbortSignal,
): AsyncGenerator<PingReply> {
  for (let seq = 1; !signal.aborted && (schedule.count === 0 || seq <= schedule.count); seq++) {
    const startedMs = performance.now();
    yield await pingOnce(peer, seq, schedule.timeoutMs, ping);
    if (seq === schedule.count) return;
    const restMs = schedule.intervalMs - (performance.now() - startedMs);
    // An abort during the wait ends the loop above.
    if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }
}

async function pingOnce(peer: MapPeer, seq: number, timeoutMs: number, ping: PingOnce): Promise<PingReply> {
  try {
    const { rttMs, transport, endpoint } = await ping(peer.wireguardKey, { timeoutMs });
    return { seq, peer: peer.name, rttMs: Math.round(rttMs * 1000) / 1000, transport, endpoint };
  } catch (failure) {
    const error = asMeshError(failure);
    if (error.code === "internal") throw error;
    return { seq, peer: peer.name, error: error.message };
  }
}
