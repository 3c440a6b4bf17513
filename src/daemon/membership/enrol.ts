import { hostname } from "node:os";
import type { RegisterResponse } from "../../api/registration.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { connectToAny } from "../../control/coordinator-http.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";
import { register } from "../../control/registration.ts";
import type { CoordinatorTrust } from "../../control/trust.ts";
import { IpRoute } from "../../host/ip-route.ts";
import { requireFreeRanges } from "../../host/preflight.ts";
import type { Dial } from "../../host/tcp.ts";
import { type JoinedNetwork, requireApart } from "../networks/joined-networks.ts";
import type { Enrolment } from "../networks/network-state.ts";
import type { PeerPlan, Progress } from "../peer-plan.ts";
import { peerNameFromHostName } from "./peer-name.ts";

export interface EnrolContext {
  readonly plan: PeerPlan;
  /** Loads them, or makes them. */
  readonly keysOf: () => Promise<PeerKeys>;
  /** What an earlier registration left. */
  readonly existing: Enrolment | undefined;
  /** That this machine has joined too. */
  readonly others: readonly JoinedNetwork[];
  /** Towards the coordinator. */
  readonly dial: Dial;
  readonly progress: Progress;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
}

/** Where to go and whom to trust, as far as token, flags and disk tell. */
export function coordinatorOf(
  plan: Pick<PeerPlan, "servers" | "token">,
  existing: Pick<Enrolment, "urls" | "trust"> | undefined,
): { readonly urls: readonly string[]; readonly trust: CoordinatorTrust } {
  const urls = plan.servers ?? plan.token?.fields.urls ?? existing?.urls;
  if (urls === undefined) {
    throw new MeshError("bad-usage", "neither a token nor a server is given", {
      hint: "Join with `mesh join TOKEN`, or `mesh join --server URL --token TOKEN`.",
    });
  }
  if (plan.token !== undefined) {
    const fingerprint = plan.token.fields.caFingerprint;
    return { urls, trust: fingerprint === undefined ? { kind: "system" } : { kind: "fingerprint", fingerprint } };
  }
  return { urls, trust: existing?.trust ?? { kind: "system" } };
}

/**
 * Registers this machine, or confirms an earlier registration. With one on disk and no token at hand, a coordinator that
 * is away does not matter: the registration stands.
 */
export async function enrol(context: EnrolContext): Promise<Enrolment> {
  const { plan, keysOf, existing, others, dial, progress, logger, signal } = context;
  const name = plan.name ?? existing?.self.name ?? peerNameFromHostName(hostname());
  if (existing !== undefined && name !== existing.self.name) {
    throw new MeshError(
      "name-mismatch",
      `this machine is in ${existing.network.name} as ${existing.self.name}, not ${name}`,
    );
  }
  const { urls, trust } = coordinatorOf(plan, existing);
  try {
    const http = await connectToAny(urls, trust, { socketFactory: dial, signal });
    progress({ event: "coordinator", url: http.url, network: http.info.network.name });
    if (existing !== undefined && existing.network.id !== http.info.network.id) {
      throw new MeshError(
        "name-mismatch",
        `${http.url} runs another network than the one joined as ${existing.network.name}`,
      );
    }
    const { cidr4, cidr6 } = http.info.network;
    if (existing === undefined) requireApart([cidr4, cidr6], others);
    await requireFreeRanges([cidr4, cidr6], new IpRoute());
    const keys = await keysOf();
    let response: RegisterResponse;
    try {
      response = await register(http, { name, keys, token: plan.token?.text });
    } catch (failure) {
      // Renamed while it was away: the map will say what it is called now.
      const isRenamed = failure instanceof MeshError && failure.code === "name-mismatch";
      if (existing !== undefined && plan.name === undefined && isRenamed) return existing;
      throw failure;
    }
    const { self, network, resumed } = response;
    progress({ event: "registered", name: self.name, ip4: self.ip4, ip6: self.ip6, resumed });
    const registeredAt = existing?.registeredAt ?? new Date().toISOString();
    return { version: 1, urls: [...urls], trust: http.trust, network, self, registeredAt };
  } catch (failure) {
    if (existing === undefined || !isAway(failure)) throw failure;
    logger.warn({ code: failure.code }, `the coordinator is away: ${failure.message}`);
    progress({ event: "coordinator-away", reason: failure.message });
    return existing;
  }
}

/** A coordinator that is merely away, as opposed to one that refuses. */
export function isAway(failure: unknown): failure is MeshError {
  return (
    failure instanceof MeshError &&
    (failure.code === "coordinator-unreachable" || failure.code === "timeout" || failure.code === "shutting-down")
  );
}
