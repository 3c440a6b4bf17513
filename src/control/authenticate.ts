import type { AuthenticateMessage, CoordinatorMessage } from "../api/control-channel.ts";
import type { MachineKeys } from "../api/machine-signature.ts";
import { negotiateProtocol, PROTOCOL_VERSIONS } from "../api/protocol-version.ts";
import { controlTranscript } from "../api/registration.ts";
import { MeshError } from "../base/errors.ts";
import { softwareVersion } from "../base/version.ts";

export interface WhoWeAre {
  readonly networkId: string;
  readonly keys: MachineKeys;
  /** Of the map or policy that deltas may build on, null without one. */
  readonly heldVersion: number | null;
}

type Hello = Extract<CoordinatorMessage, { readonly type: "hello" }>;

/** The answer to the coordinator's hello. @throws MeshError `map-refused`, `protocol-mismatch` */
export function authenticate({ nonce, networkId, protocol }: Hello, we: WhoWeAre): AuthenticateMessage {
  if (networkId !== we.networkId) throw new MeshError("map-refused", "the coordinator speaks for another network");
  const negotiation = negotiateProtocol(PROTOCOL_VERSIONS, protocol);
  if (!negotiation.ok) {
    const old = negotiation.tooOld === "ours" ? "this mesh" : "the coordinator";
    throw new MeshError("protocol-mismatch", `${old} is too old for the other end`);
  }
  const { keys, heldVersion } = we;
  return {
    type: "authenticate",
    protocol: { ...PROTOCOL_VERSIONS },
    machineKey: keys.machineKey,
    proof: keys.sign(controlTranscript(networkId, nonce, keys.machineKey)),
    mapVersion: heldVersion,
    softwareVersion: softwareVersion(),
  };
}
