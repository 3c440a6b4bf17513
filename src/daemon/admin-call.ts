import { type CoordinatorCall, connectToAny } from "../control/coordinator-http.ts";
import type { PeerKeys } from "../control/peer-keys.ts";
import { signedCall } from "../control/signed-call.ts";
import type { Dial } from "../host/tcp.ts";
import type { Enrolment } from "./networks/network-state.ts";

/** What an admin asks of the coordinator through this machine, which signs it: the coordinator decides who may. */
export type AdminCall = Omit<CoordinatorCall, "authorization">;

/** @throws MeshError what the coordinator refuses, or why it cannot be reached */
export async function callAsAdmin(
  { urls, trust, network }: Enrolment,
  keys: PeerKeys,
  dial: Dial,
  call: AdminCall,
): Promise<object> {
  const http = await connectToAny(urls, trust, { socketFactory: dial });
  return signedCall(http, { networkId: network.id, keys }, call);
}
