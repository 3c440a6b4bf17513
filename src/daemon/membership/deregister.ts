import { z } from "zod";
import { challengeResponseSchema, type LeaveRequest, leaveTranscript } from "../../api/registration.ts";
import { asMeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { connectToAny } from "../../control/coordinator-http.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";
import type { Dial } from "../../host/tcp.ts";
import type { Enrolment } from "../networks/network-state.ts";

const LIMIT_MS = 5000;

/** Tells the coordinator that this machine leaves. False where it could not be told: leaving goes on nevertheless. */
export async function deregister(
  enrolment: Enrolment,
  keys: PeerKeys,
  { dial, logger }: { readonly dial: Dial; readonly logger: Logger },
): Promise<boolean> {
  try {
    const { urls, trust } = enrolment;
    const http = await connectToAny(urls, trust, { socketFactory: dial, timeoutMs: LIMIT_MS });
    const challenge = await http.send("POST", "/v1/challenge", {}, challengeResponseSchema);
    const transcript = leaveTranscript({
      networkId: enrolment.network.id,
      challengeId: challenge.challengeId,
      nonce: challenge.nonce,
      machineKey: keys.machineKey,
    });
    const request: LeaveRequest = {
      challengeId: challenge.challengeId,
      machineKey: keys.machineKey,
      machineProof: keys.sign(transcript),
    };
    await http.send("DELETE", "/v1/peer", request, z.object({}));
    return true;
  } catch (failure) {
    const error = asMeshError(failure);
    // A coordinator that does not know us has nothing left to forget.
    if (error.code === "not-registered") return true;
    logger.warn({ err: failure }, "the coordinator could not be told that this machine leaves");
    return false;
  }
}
