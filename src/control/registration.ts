import { createHmac } from "node:crypto";
import { negotiateProtocol, PROTOCOL_VERSIONS } from "../api/protocol-version.ts";
import {
  challengeResponseSchema,
  type RegisterRequest,
  type RegisterResponse,
  registerResponseSchema,
  registrationTranscript,
} from "../api/registration.ts";
import { MeshError } from "../base/errors.ts";
import type { CoordinatorHttp } from "./coordinator-http.ts";
import type { PeerKeys } from "./peer-keys.ts";

export interface RegistrationOptions {
  readonly name: string;
  readonly keys: PeerKeys;
  /** The whole token as text; left out when this machine is a peer already. */
  readonly token?: string | undefined;
}

/**
 * Makes this machine a peer: asks for a challenge and answers it with both proofs over one transcript.
 *
 * @throws MeshError what the coordinator refuses, or `protocol-mismatch`
 */
export async function register(http: CoordinatorHttp, options: RegistrationOptions): Promise<RegisterResponse> {
  const { name, keys, token } = options;
  assertCommonProtocol(http);
  const challenge = await http.send("POST", "/v1/challenge", {}, challengeResponseSchema);
  const transcript = registrationTranscript({
    networkId: http.info.network.id,
    challengeId: challenge.challengeId,
    nonce: challenge.nonce,
    ephemeralKey: challenge.ephemeralKey,
    name,
    machineKey: keys.machineKey,
    wireguardKey: keys.wireguardKey,
    token,
  });
  const shared = keys.agree(challenge.ephemeralKey);
  const request: RegisterRequest = {
    protocol: { ...PROTOCOL_VERSIONS },
    challengeId: challenge.challengeId,
    ...(token === undefined ? {} : { token }),
    name,
    machineKey: keys.machineKey,
    wireguardKey: keys.wireguardKey,
    machineProof: keys.sign(transcript),
    keyProof: keys.proveWireguardKey(http.info.network.id),
    wireguardProof: createHmac("sha256", shared).update(transcript).digest("base64"),
  };
  shared.fill(0);
  const response = await http.send("POST", "/v1/register", request, registerResponseSchema);
  if (response.network.id !== http.info.network.id || response.self.wireguardKey !== keys.wireguardKey) {
    throw new MeshError("map-refused", "the coordinator registered somebody else than this machine");
  }
  return response;
}

/** @throws MeshError `protocol-mismatch` */
export function assertCommonProtocol(http: CoordinatorHttp): void {
  const negotiation = negotiateProtocol(PROTOCOL_VERSIONS, http.info.protocol);
  if (negotiation.ok) return;
  const old = negotiation.tooOld === "ours" ? "this mesh is" : `the coordinator (${http.info.version}) is`;
  throw new MeshError("protocol-mismatch", `${old} too old for the other end`);
}
