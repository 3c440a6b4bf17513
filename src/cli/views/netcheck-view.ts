import type { NetcheckReply, RelayStatus } from "../../api/local.ts";
import { paint } from "../output.ts";
import { formatRtt } from "./format.ts";
import { renderFields } from "./table.ts";

const MAPPING: Readonly<Record<NetcheckReply["mapping"], string>> = {
  "endpoint-independent": "endpoint-independent: peers that know the public endpoint reach it",
  "endpoint-dependent": "endpoint-dependent: each peer sees another public endpoint, direct paths are hard to get",
  blocked: "blocked: no STUN server answers",
  unknown: "unknown",
};

/** `mesh netcheck` for people. */
export function renderNetcheck(reply: NetcheckReply): string {
  const { coordinator, relays, publicEndpoint, portMapping, captivePortal } = reply;
  return renderFields([
    ["udp", reply.udp === null ? "not measured: no STUN server is known yet" : yesNo(reply.udp)],
    ["ipv4", yesNo(reply.ipv4)],
    ["ipv6", yesNo(reply.ipv6)],
    ["mapping", MAPPING[reply.mapping]],
    ["public endpoint", publicEndpoint ?? "-"],
    ["port mapping", portMapping.join(", ") || "none"],
    ["coordinator", outcome(coordinator.url, coordinator.reached, coordinator.rttMs, coordinator.error)],
    ...(relays.length === 0 ? [["relay", "none"] as const] : []),
    ...relays.map((relay) => ["relay", describeRelay(relay)] as const),
    [
      "captive portal",
      captivePortal ? paint("yes: something else answers at the coordinator's address", "red") : "none seen",
    ],
  ]);
}

function yesNo(isSo: boolean): string {
  return isSo ? paint("yes", "green") : paint("no", "red");
}

/** One relay, and how it stands. */
export function describeRelay({ name, url, home, connected, rttMs, error }: RelayStatus): string {
  return `${name}${home ? "" : " (others are found there)"}  ${outcome(url, connected, rttMs, error)}`;
}

function outcome(url: string, isReached: boolean, rttMs: number | null, error: string | null): string {
  if (!isReached) return `${url}  ${paint(error ?? "not connected yet", "red")}`;
  return rttMs === null ? url : `${url}  ${formatRtt(rttMs)}`;
}
