import type { NetcheckReply } from "../api/local.ts";
import type { Clock } from "../base/clock.ts";
import type { ErrorCode } from "../base/error-codes.ts";
import { asMeshError } from "../base/errors.ts";
import { connectToAny } from "../control/coordinator-http.ts";
import type { UsableTrust } from "../control/trust.ts";
import type { Dial } from "../host/tcp.ts";
import type { NatReport } from "../nat/mapping.ts";
import type { PortMappingProtocol } from "../nat/port-mapping/port-mapper.ts";
import { formatEndpoint } from "../router/tunnel/endpoint-text.ts";
import type { TunnelInfo } from "../router/tunnel/tunnel.ts";
import type { RelayLinkState } from "./pipes/relay-links.ts";
import { relayStatus } from "./status-builder.ts";

/** A measurement in which no STUN server answers takes 5 s, and it may have to wait for its turn. */
const NAT_LIMIT_MS = 7000;
const COORDINATOR_LIMIT_MS = 5000;

export interface NetcheckSources {
  readonly urls: readonly string[];
  readonly trust: UsableTrust;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly tunnel: () => TunnelInfo;
  /** How the world sees our WireGuard socket, measured anew; undefined where nobody can be asked. */
  readonly measureNat: (signal: AbortSignal) => Promise<NatReport | undefined>;
  /** By which protocol the gateway has mapped our port; undefined when it has not. */
  readonly portMapping: () => PortMappingProtocol | undefined;
  /** Those in use, each of which is asked for another round trip; undefined where none may be used. */
  readonly relays: { checkNow(): void; readonly states: readonly RelayLinkState[] } | undefined;
}

/**
 * What answers in the coordinator's place is somebody who wants to be seen first. A coordinator that is merely away
 * refuses, or is silent.
 */
const IMPOSTORS: ReadonlySet<ErrorCode> = new Set([
  "not-a-coordinator",
  "plain-http",
  "ca-mismatch",
  "certificate-untrusted",
]);

/** What this network lets through, measured now: takes as long as what is silent is waited for, `NAT_LIMIT_MS` at most. */
export async function netcheck(sources: NetcheckSources, signal: AbortSignal): Promise<NetcheckReply> {
  sources.relays?.checkNow();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(NAT_LIMIT_MS)]);
  const [nat, coordinator] = await Promise.all([sources.measureNat(limit), checkCoordinator(sources, signal)]);
  const { ipv4, ipv6 } = sources.tunnel();
  const mappedBy = sources.portMapping();
  const reflexive = nat?.ipv4.reflexive[0] ?? nat?.ipv6.reflexive[0];
  return {
    udp: nat?.udp ?? null,
    ipv4,
    ipv6,
    mapping: nat?.mapping ?? "unknown",
    publicEndpoint: reflexive === undefined ? null : formatEndpoint(reflexive),
    portMapping: mappedBy === undefined ? [] : [mappedBy],
    relays: (sources.relays?.states ?? []).map(relayStatus),
    ...coordinator,
  };
}

async function checkCoordinator(
  { urls, trust, dial, clock }: NetcheckSources,
  signal: AbortSignal,
): Promise<Pick<NetcheckReply, "coordinator" | "captivePortal">> {
  const startedMs = clock.monotonicMs();
  try {
    const { url } = await connectToAny(urls, trust, { socketFactory: dial, timeoutMs: COORDINATOR_LIMIT_MS, signal });
    const rttMs = roundedMs(clock.monotonicMs() - startedMs);
    return { coordinator: { url, reached: true, rttMs, error: null }, captivePortal: false };
  } catch (failure) {
    const { code, message } = asMeshError(failure);
    return {
      coordinator: { url: urls[0] ?? "", reached: false, rttMs: null, error: message },
      captivePortal: IMPOSTORS.has(code),
    };
  }
}

function roundedMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
