import type { NetworkInfo } from "../../api/network-map.ts";
import { PROTOCOL_VERSIONS } from "../../api/protocol-version.ts";
import { type InfoResponse, leaveRequestSchema, registerRequestSchema } from "../../api/registration.ts";
import { registerRelayRequestSchema } from "../../api/relay-registration.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import { HEALTHY, type Readiness, requireReady } from "../../web/health.ts";
import type { Authority } from "../certificates/ca.ts";
import type { Registrar } from "../joining/registration.ts";
import type { RelayRegistrar } from "../relays/relay-registrar.ts";
import { type Handler, RawAnswer } from "./app.ts";
import type { Caller, PublicRoute } from "./authorize.ts";

export interface PublicRoutesDeps {
  readonly network: NetworkInfo;
  readonly softwareVersion: string;
  /** Undefined where another certificate is in use. */
  readonly authority: Authority | undefined;
  readonly registrar: Registrar;
  readonly relayRegistrar: RelayRegistrar;
  readonly clock: Clock;
  readonly readiness: Readiness;
}

/** What the coordinator answers to the network. */
export function publicRoutes(deps: PublicRoutesDeps): Record<PublicRoute, Handler> {
  const { network, softwareVersion, authority, registrar, relayRegistrar, clock, readiness } = deps;
  return {
    "GET /healthz": () => HEALTHY,
    "GET /readyz": () => requireReady(readiness),
    "GET /v1/info": (): InfoResponse => ({
      service: "mesh-coordinator",
      version: softwareVersion,
      network,
      protocol: PROTOCOL_VERSIONS,
      caFingerprint: authority?.fingerprint ?? null,
      time: new Date(clock.wallMs()).toISOString(),
    }),
    "GET /v1/ca": () => {
      if (authority === undefined) throw new MeshError("not-found", "this coordinator has no CA of its own in use");
      return new RawAnswer("application/x-pem-file", authority.certificatePem);
    },
    "POST /v1/challenge": ({ caller }) => registrar.challenge(addressOf(caller)),
    "POST /v1/register": async (call) =>
      registrar.register(await call.body(registerRequestSchema), addressOf(call.caller)),
    "POST /v1/relay": async (call) => relayRegistrar.register(await call.body(registerRelayRequestSchema)),
    "DELETE /v1/peer": async (call) => {
      await registrar.leave(await call.body(leaveRequestSchema));
      return {};
    },
  };
}

function addressOf(caller: Caller): string {
  if (caller.kind === "host") throw new MeshError("internal", "a public route was called by the admin socket");
  return caller.address;
}
