import type { Metric } from "../../base/metrics.ts";
import { PROCESS_METRICS, type ProcessMetricsSource } from "../../host/process-metrics.ts";
import type { Distribution } from "../maps/distribution.ts";
import type { Registry } from "../registry.ts";
import type { RelayRegistry } from "../relays/relay-registry.ts";
import type { Store } from "../store/store.ts";
import type { RequestTimings } from "./request-timings.ts";

export interface CoordinatorMetricsSource extends ProcessMetricsSource {
  readonly registry: Pick<Registry, "peers" | "version">;
  readonly relays: Pick<RelayRegistry, "list">;
  readonly distribution: Pick<Distribution, "pushes" | "pushedBytes">;
  readonly store: Pick<Store, "timings">;
  readonly requests: RequestTimings;
}

/** All that the coordinator says of itself; the relay in it has metrics of its own. */
export const COORDINATOR_METRICS: readonly Metric<CoordinatorMetricsSource>[] = [
  {
    name: "mesh_coordinator_peers",
    type: "gauge",
    labels: ["state"],
    help: "Registered peers: active ones and disabled ones.",
    read: ({ registry }) => {
      const peers = [...registry.peers()];
      const active = peers.filter(({ enabled }) => enabled).length;
      return [
        [active, "active"],
        [peers.length - active, "disabled"],
      ];
    },
  },
  {
    name: "mesh_coordinator_peers_online",
    type: "gauge",
    labels: [],
    help: "Peers with a control channel.",
    read: ({ registry }) => [...registry.peers()].filter(({ online }) => online).length,
  },
  {
    name: "mesh_coordinator_relay_online",
    type: "gauge",
    labels: ["relay"],
    help: "1 while the stand-alone relay is in touch.",
    read: ({ relays }) => relays.list().map(({ name, online }) => [online ? 1 : 0, name]),
  },
  {
    name: "mesh_coordinator_map_version",
    type: "gauge",
    labels: [],
    help: "Version of the network map.",
    read: ({ registry }) => registry.version,
  },
  {
    name: "mesh_coordinator_map_pushes_total",
    type: "counter",
    labels: ["kind"],
    help: "Maps and policies sent to machines: whole ones, deltas, and word that nothing has changed.",
    read: ({ distribution }) => Object.entries(distribution.pushes).map(([kind, count]) => [count, kind]),
  },
  {
    name: "mesh_coordinator_map_push_bytes_total",
    type: "counter",
    labels: [],
    help: "Characters of these messages.",
    read: ({ distribution }) => distribution.pushedBytes,
  },
  {
    name: "mesh_coordinator_request_seconds",
    type: "histogram",
    labels: ["route"],
    help: "How long HTTP requests took, on the network and on the admin socket; other stands for unknown paths.",
    read: ({ requests }) => requests.list(),
  },
  {
    name: "mesh_coordinator_query_seconds",
    type: "histogram",
    labels: [],
    help: "How long SQLite took for a statement.",
    read: ({ store }) => store.timings.querySeconds,
  },
  {
    name: "mesh_coordinator_write_seconds",
    type: "histogram",
    labels: [],
    help: "How long a transaction that writes took, until it was on the disk.",
    read: ({ store }) => store.timings.writeSeconds,
  },
  ...PROCESS_METRICS,
];
