import type { Status, StatusPeer } from "../../api/local.ts";
import { paint } from "../output.ts";
import { renderUse } from "./exit-view.ts";
import { formatAgo, formatBytes, formatRtt } from "./format.ts";
import { describeRelay } from "./netcheck-view.ts";
import { renderFields, renderTable } from "./table.ts";

export type StatusPart = "all" | "peers" | "self";

/** `mesh status` for people. */
export function renderStatus(status: Status, part: StatusPart, nowMs: number): string {
  if (part === "peers") return renderPeers(status.peers, nowMs);
  const blocks = [renderSelf(status)];
  if (part === "all" && status.state === "running") blocks.push(renderPeers(status.peers, nowMs));
  if (status.warnings.length > 0) {
    blocks.push(status.warnings.map((line) => `${paint("warning:", "yellow")} ${line}`).join("\n"));
  }
  return blocks.join("\n\n");
}

export function renderPeers(peers: readonly StatusPeer[], nowMs: number): string {
  if (peers.length === 0) return "no peers yet";
  return renderTable<StatusPeer>(
    [
      { title: "PEER", cell: ({ name }) => name },
      { title: "IPV4", cell: ({ ip4 }) => ip4 },
      { title: "IPV6", cell: ({ ip6 }) => ip6 },
      { title: "ONLINE", cell: ({ online }) => (online ? paint("yes", "green") : "no") },
      { title: "PATH", cell: ({ path }) => (path === null ? "-" : `${path.transport} ${path.endpoint}`) },
      {
        title: "RTT",
        cell: ({ path }) => (path === null || path.rttMs === null ? "-" : formatRtt(path.rttMs)),
        align: "right",
      },
      { title: "HANDSHAKE", cell: ({ lastHandshakeAt }) => formatAgo(lastHandshakeAt, nowMs) },
      { title: "RECEIVED", cell: ({ rxBytes }) => formatBytes(rxBytes), align: "right" },
      { title: "SENT", cell: ({ txBytes }) => formatBytes(txBytes), align: "right" },
    ],
    peers,
  );
}

function renderSelf(status: Status): string {
  const { self, coordinator, dataPlane } = status;
  const fields: [string, string][] = [
    ["state", paint(status.state, status.state === "running" ? "green" : "yellow")],
    ["network", status.network ?? "-"],
  ];
  if (self !== null) {
    fields.push(["name", `${self.name} (${self.cidr}${self.admin ? ", admin" : ""})`]);
    fields.push(["address", `${self.ip4}  ${self.ip6}`], ["public key", self.publicKey]);
    if (status.interface !== null) fields.push(["interface", `${status.interface}, UDP port ${self.listenPort}`]);
    if (self.endpoints.length > 0) fields.push(["endpoints", self.endpoints.join("  ")]);
  }
  if (coordinator !== null) {
    const why = coordinator.error === null ? "" : `: ${coordinator.error}`;
    fields.push(["coordinator", `${coordinator.url} ${coordinator.connected ? "connected" : `not connected${why}`}`]);
  }
  for (const relay of status.relays) fields.push(["relay", describeRelay(relay)]);
  if (status.exit.nodes.length > 0) fields.push(["exit", renderUse(status.exit)]);
  if (dataPlane !== null) {
    fields.push(["encryption", `${dataPlane.aeadProvider} (${dataPlane.aeadWhy})`]);
    fields.push(["offloads", offloadsText(dataPlane.offloads)], ["underlay", underlayText(dataPlane)]);
    const drops = Object.entries(dataPlane.drops).filter(([, count]) => count > 0);
    if (drops.length > 0) fields.push(["drops", drops.map(([reason, count]) => `${reason} ${count}`).join("  ")]);
  }
  return renderFields(fields);
}

function offloadsText(offloads: Readonly<Record<string, boolean>>): string {
  const names = (isThere: boolean) =>
    Object.entries(offloads)
      .filter(([, on]) => on === isThere)
      .map(([name]) => name)
      .join(" ");
  const missing = names(false);
  return `${names(true) || "none"}${missing === "" ? "" : `  (missing: ${missing})`}`;
}

/** What packets to peers can travel over. */
function underlayText({ ipv4, ipv6 }: NonNullable<Status["dataPlane"]>): string {
  if (!ipv4 && !ipv6) return "no network";
  return `${ipv4 ? "IPv4" : "no IPv4"}, ${ipv6 ? "IPv6" : "no IPv6"}`;
}
