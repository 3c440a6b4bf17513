import { PROTOCOL_VERSIONS } from "../api/protocol-version.ts";
import { challengeResponseSchema } from "../api/registration.ts";
import {
  type RegisterRelayRequest,
  type RegisterRelayResponse,
  registerRelayResponseSchema,
  relayRegistrationTranscript,
} from "../api/relay-registration.ts";
import { MeshError } from "../base/errors.ts";
import type { CoordinatorHttp } from "./coordinator-http.ts";
import type { MachineKey } from "./peer-keys.ts";
import { assertCommonProtocol } from "./registration.ts";

export interface RelayRegistrationOptions {
  readonly name: string;
  readonly key: MachineKey;
  /** The whole token as text; left out when this machine is a relay already. */
  readonly token: string | undefined;
  /** SubjectPublicKeyInfo, DER, base64, to be certified; null for none. */
  readonly tlsKey: string | null;
}

/**
 * Makes this machine a stand-alone relay, or has it recognised.
 *
 * @throws MeshError what the coordinator refuses, or `protocol-mismatch`
 */
export async function registerRelay(
  http: CoordinatorHttp,
  { name, key, token, tlsKey }: RelayRegistrationOptions,
): Promise<RegisterRelayResponse> {
  assertCommonProtocol(http);
  const { challengeId, nonce } = await http.send("POST", "/v1/challenge", {}, challengeResponseSchema);
  const { machineKey } = key;
  const networkId = http.info.network.id;
  const transcript = relayRegistrationTranscript({ networkId, challengeId, nonce, name, machineKey, token, tlsKey });
  const request: RegisterRelayRequest = {
    protocol: { ...PROTOCOL_VERSIONS },
    challengeId,
    ...(token === undefined ? {} : { token }),
    name,
    machineKey,
    tlsKey,
    machineProof: key.sign(transcript),
  };
  const response = await http.send("POST", "/v1/relay", request, registerRelayResponseSchema);
  if (response.network.id !== networkId) {
    throw new MeshError("map-refused", "the coordinator registered a relay of another network");
  }
  return response;
}
