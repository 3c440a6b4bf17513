import { MeshError } from "../../base/errors.ts";
import { connectToAny } from "../../control/coordinator-http.ts";
import { DEFAULT_FWMARK } from "../../host/underlay/firewall-mark.ts";
import { underlaySockets } from "../../host/underlay/underlay-sockets.ts";
import { coordinatorOf } from "../membership/enrol.ts";
import type { PeerPlan } from "../peer-plan.ts";
import { underlayDial } from "../session/underlay-dial.ts";
import { selectNetwork } from "./home.ts";

/** The name under which the network is kept here: asked for, in the token, current, or what the coordinator says. */
export async function networkOf(plan: PeerPlan, signal?: AbortSignal): Promise<string> {
  if (plan.network !== undefined) return plan.network;
  if (plan.token !== undefined) return plan.token.fields.network;
  if (plan.mode === "up" || plan.servers === undefined) {
    const network = selectNetwork(plan.home, undefined);
    if (network !== undefined) return network;
    if (plan.mode === "up") throw new MeshError("needs-join", "this machine has joined no network");
  }
  const { urls, trust } = coordinatorOf(plan, undefined);
  const dial = underlayDial(underlaySockets(plan.fwmark ?? DEFAULT_FWMARK));
  const http = await connectToAny(urls, trust, { socketFactory: dial, signal });
  return http.info.network.name;
}
