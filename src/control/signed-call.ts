import { z } from "zod";
import type { MachineKeys } from "../api/machine-signature.ts";
import { challengeResponseSchema } from "../api/registration.ts";
import { formatCredentials, requestTranscript } from "../api/signed-request.ts";
import type { CoordinatorCall, CoordinatorHttp } from "./coordinator-http.ts";

/** Who signs, and for which network: the one that this machine has joined, whatever the other end calls itself. */
export interface Signer {
  readonly networkId: string;
  readonly keys: MachineKeys;
}

/**
 * A call that this machine signs. The answer is for somebody else to read: an object of any shape.
 * @throws MeshError what the coordinator refuses, or one of `CoordinatorHttp.connect`'s
 */
export async function signedCall(
  http: CoordinatorHttp,
  { networkId, keys }: Signer,
  { method, path, body }: Omit<CoordinatorCall, "authorization">,
): Promise<object> {
  const { challengeId, nonce } = await http.send("POST", "/v1/challenge", {}, challengeResponseSchema);
  const { machineKey } = keys;
  const proof = keys.sign(
    requestTranscript({
      networkId,
      challengeId,
      nonce,
      machineKey,
      method,
      target: path,
      body: Buffer.from(body ?? ""),
    }),
  );
  const authorization = formatCredentials({ machineKey, challengeId, proof });
  return http.call({ method, path, body, authorization }, z.looseObject({}).or(z.array(z.unknown())));
}
