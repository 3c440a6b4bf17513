import type { Metric } from "../base/metrics.ts";
import type { RelayStats } from "./stats.ts";

/** What a relay says of itself, in the coordinator or alone. Its clients are no labels: they are the coordinator's to know. */
export const RELAY_METRICS: readonly Metric<RelayStats>[] = [
  {
    name: "mesh_relay_clients",
    type: "gauge",
    labels: [],
    help: "Connected peers.",
    read: ({ clients }) => clients,
  },
  {
    name: "mesh_relay_waiting_bytes",
    type: "gauge",
    labels: [],
    help: "Memory in the queues towards all clients.",
    read: ({ waitingBytes }) => waitingBytes,
  },
  {
    name: "mesh_relay_forwarded_frames_total",
    type: "counter",
    labels: [],
    help: "Datagrams passed on between peers.",
    read: ({ forwardedFrames }) => forwardedFrames,
  },
  {
    name: "mesh_relay_forwarded_bytes_total",
    type: "counter",
    labels: [],
    help: "Their bytes.",
    read: ({ forwardedBytes }) => forwardedBytes,
  },
  {
    name: "mesh_relay_dropped_frames_total",
    type: "counter",
    labels: ["reason"],
    help: "Datagrams dropped: absent receiver, forbidden pair, full queue, malformed.",
    read: (stats) => [
      [stats.droppedAbsent, "absent"],
      [stats.droppedForbidden, "forbidden"],
      [stats.droppedOverflow, "overflow"],
      [stats.malformedFrames, "malformed"],
    ],
  },
  {
    name: "mesh_relay_throttled_total",
    type: "counter",
    labels: [],
    help: "Times that a client was made to wait because it sent too much.",
    read: ({ throttled }) => throttled,
  },
  {
    name: "mesh_relay_refused_connections_total",
    type: "counter",
    labels: [],
    help: "Connections turned away before they were anybody's.",
    read: ({ refusedConnections }) => refusedConnections,
  },
];
