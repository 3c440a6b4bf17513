import type { Metric } from "../../base/metrics.ts";
import type { SessionSources, StatusSources } from "../status-builder.ts";

/** Of the interface as a whole. A reason for a drop is one of a closed set (`src/router/shared/drop-reasons.ts`). */
export const TRAFFIC_METRICS: readonly Metric<StatusSources>[] = [
  {
    name: "mesh_dropped_packets_total",
    type: "counter",
    labels: ["reason"],
    help: "Packets and datagrams that came to nothing, by reason: out- on the way to a peer, in- from one.",
    read: ({ session }) => Object.entries(session?.drops ?? {}).map(([reason, packets]) => [packets, reason]),
  },
  total("mesh_tun_receive_frames_total", "Frames read from the interface, each perhaps many packets.", "tunFramesRead"),
  total("mesh_tun_receive_bytes_total", "Bytes read from the interface.", "tunBytesRead"),
  total("mesh_tun_transmit_frames_total", "Frames written to the interface.", "tunFramesWritten"),
  total("mesh_sealed_messages_total", "Data messages encrypted.", "messagesSealed"),
  total("mesh_opened_messages_total", "Data messages decrypted and found authentic.", "messagesOpened"),
  total("mesh_receive_datagrams_total", "Datagrams received from the network.", "datagramsReceived"),
  total("mesh_transmit_datagrams_total", "Datagrams sent to the network.", "datagramsSent"),
  total("mesh_receive_calls_total", "System calls by which datagrams were received.", "receiveCalls"),
  total("mesh_transmit_calls_total", "System calls by which datagrams were sent.", "sendCalls"),
  total("mesh_receive_failures_total", "Receives that the kernel refused.", "receiveFailures"),
  total("mesh_transmit_failures_total", "Sends that the kernel refused.", "sendFailures"),
  {
    name: "mesh_data_thread_seconds_total",
    type: "counter",
    labels: ["stage"],
    help: "Time of the data thread by stage: commands, outbound, inbound, as one turn in sixteen tells. The rest of the time it sleeps.",
    read: ({ session }) => Object.entries(session?.stagesMs ?? {}).map(([stage, ms]) => [ms / 1000, stage]),
  },
];

function total(name: string, help: string, counter: keyof SessionSources["counters"]): Metric<StatusSources> {
  return { name, type: "counter", labels: [], help, read: ({ session }) => session?.counters[counter] ?? null };
}
