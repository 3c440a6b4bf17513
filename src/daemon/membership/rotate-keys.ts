import { connectToAny } from "../../control/coordinator-http.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";
import { register } from "../../control/registration.ts";
import type { Dial } from "../../host/tcp.ts";
import type { Enrolment } from "../networks/network-state.ts";
import { isAway } from "./enrol.ts";
import { saveKeys } from "./identity.ts";

const LIMIT_MS = 10_000;

/**
 * Gives this machine another WireGuard key and has the coordinator know it, with the machine key's word for the other peers.
 * The new key is on the disk before the coordinator is asked: where its answer is lost, it may have taken the key, and
 * another rotation, or `mesh join`, brings both together again. A coordinator that is away or refuses changes nothing.
 */
export async function rotateKeys(
  enrolment: Enrolment,
  keys: PeerKeys,
  directory: string,
  dial: Dial,
): Promise<{ readonly enrolment: Enrolment; readonly keys: PeerKeys }> {
  const http = await connectToAny(enrolment.urls, enrolment.trust, { socketFactory: dial, timeoutMs: LIMIT_MS });
  const next = keys.rotated();
  await saveKeys(directory, next);
  try {
    const { self } = await register(http, { name: enrolment.self.name, keys: next });
    return { enrolment: { ...enrolment, self }, keys: next };
  } catch (failure) {
    if (!isAway(failure)) await saveKeys(directory, keys);
    throw failure;
  }
}
