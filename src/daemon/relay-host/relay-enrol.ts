import { hostname } from "node:os";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { connectToAny } from "../../control/coordinator-http.ts";
import type { MachineKey } from "../../control/peer-keys.ts";
import { registerRelay } from "../../control/relay-registration.ts";
import type { Dial } from "../../host/tcp.ts";
import { coordinatorOf, isAway } from "../membership/enrol.ts";
import { peerNameFromHostName } from "../membership/peer-name.ts";
import type { RelayPlan } from "./relay-plan.ts";
import type { RelayEnrolment } from "./relay-state.ts";
import type { RelayTls } from "./relay-tls.ts";

export interface RelayEnrolContext {
  readonly plan: RelayPlan;
  readonly key: MachineKey;
  /** Undefined where peers need no certificate of the coordinator's. */
  readonly tls: RelayTls | undefined;
  /** What an earlier registration left. */
  readonly existing: RelayEnrolment | undefined;
  readonly dial: Dial;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
}

/**
 * Registers this machine as a relay, or confirms an earlier registration, and has its TLS key certified. With both on disk
 * a coordinator that is away does not matter.
 */
export async function enrolRelay(context: RelayEnrolContext): Promise<RelayEnrolment> {
  const { plan, key, tls, existing, dial, logger, signal } = context;
  if ((plan.servers ?? plan.token ?? existing) === undefined) {
    throw new MeshError("bad-usage", "neither a token nor a server is given", {
      hint: "Start it with `mesh relay --token TOKEN`; `mesh token create --relay` makes one.",
    });
  }
  const name = plan.name ?? existing?.name ?? peerNameFromHostName(hostname());
  const { urls, trust } = coordinatorOf(plan, existing);
  try {
    const http = await connectToAny(urls, trust, { socketFactory: dial, signal });
    if (existing !== undefined && existing.network.id !== http.info.network.id) {
      throw new MeshError("name-mismatch", `${http.url} runs another network than ${existing.network.name}`, {
        hint: "Use another `--home` for a relay of another network.",
      });
    }
    const tlsKey = tls?.publicKey ?? null;
    const { relayId, network, certificatePem } = await registerRelay(http, {
      name,
      key,
      token: plan.token?.text,
      tlsKey,
    });
    if (certificatePem !== null) await tls?.keep(certificatePem);
    const registeredAt = existing?.registeredAt ?? new Date().toISOString();
    return { version: 1, urls: [...urls], trust: http.trust, network, relayId, name, registeredAt };
  } catch (failure) {
    const isReady = existing !== undefined && (tls === undefined || tls.material !== undefined);
    if (!isReady || !isAway(failure)) throw failure;
    logger.warn({ code: failure.code }, `the coordinator is away: ${failure.message}`);
    return existing;
  }
}
