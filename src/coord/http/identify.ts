import type { IncomingMessage } from "node:http";
import type { NetworkInfo } from "../../api/network-map.ts";
import { parseCredentials, requestTranscript } from "../../api/signed-request.ts";
import type { Clock } from "../../base/clock.ts";
import type { Challenges } from "../joining/challenges.ts";
import { checkMachineProof } from "../joining/proofs.ts";
import { notRegistered } from "../joining/registration.ts";
import type { Registry } from "../registry.ts";
import type { RelayRegistry } from "../relays/relay-registry.ts";
import { type Caller, peerCaller } from "./authorize.ts";

export interface IdentifyDeps {
  readonly network: NetworkInfo;
  readonly registry: Registry;
  readonly relays: RelayRegistry;
  readonly challenges: Challenges;
  readonly clock: Clock;
}

/**
 * Who sends a request from the network: the machine that has signed it (`src/api/signed-request.ts`), or anyone.
 * @param body of the request; read for a signed one only
 * @throws MeshError `bad-request`, `too-large`, `challenge-unknown`, `bad-key`, `proof-invalid`, `not-registered`
 */
export async function identify(
  request: IncomingMessage,
  address: string,
  body: () => Promise<Uint8Array>,
  { network, registry, relays, challenges, clock }: IdentifyDeps,
): Promise<Caller> {
  const credentials = parseCredentials(request.headers.authorization);
  if (credentials === undefined) return { kind: "anyone", address };
  const { machineKey, challengeId, proof } = credentials;
  const { method = "", url: target = "" } = request;
  // All of the body first: what the caller may do is asked when the request is complete, not when it begins.
  const bytes = await body();
  const { nonce } = challenges.take(challengeId, clock.wallMs());
  const fields = { networkId: network.id, challengeId, nonce, machineKey, method, target, body: bytes };
  checkMachineProof(machineKey, requestTranscript(fields), proof);
  const peer = registry.byMachineKey(machineKey);
  if (peer !== undefined) return peerCaller(peer, address);
  const relay = relays.byMachineKey(machineKey);
  if (relay !== undefined) return { kind: "relay", address, name: relay.name };
  throw notRegistered();
}
