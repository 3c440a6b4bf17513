import type { CoordinatorMessage, PeerMessage } from "../api/control-channel.ts";
import { negotiateProtocol, PROTOCOL_VERSIONS } from "../api/protocol-version.ts";
import { controlTranscript } from "../api/registration.ts";
import { MeshError } from "../base/errors.ts";
import { softwareVersion } from "../base/version.ts";
import type { PeerKeys } from "./peer-keys.ts";

export interface WhoWeAre {
  readonly networkId: string;
  readonly keys: PeerKeys;
  /** Of the map that deltas may build on, null without one. */
  readonly mapVersion: number | null;
}

type Hello = Extract<CoordinatorMessage, { readonly type: "hello" }>;

/** The answer to the coordinator's hello. @throws MeshError `map-refused`, `protocol-mismatch` */
export function authenticate({ nonce, networkId, protocol }: Hello, we: WhoWeAre): PeerMessage {
  if (networkId !== we.networkId) throw new MeshError("map-refused", "the coordinator speaks for another network");
  const negotiation = negotiateProtocol(PROTOCOL_VERSIONS, protocol);
  if (!negotiation.ok) {
    const old = negotiation.tooOld === "ours" ? "this mesh" : "the coordinator";
    throw new MeshError("protocol-mismatch", `${old} is too old for the other end`);
  }
  const { keys, mapVersion } = we;
  return {
    type: "authenticate",
    protocol: { ...PROTOCOL_VERSIONS },
    machineKey: keys.machineKey,
    proof: keys.sign(controlTranscript(networkId, nonce, keys.machineKey)),
    mapVersion,
    softwareVersion: softwareVersion(),
  };
}
