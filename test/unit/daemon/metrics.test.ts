import { describe, expect, it } from "vitest";
import { formatMetrics } from "../../../src/base/metrics.ts";
import { daemonMetrics } from "../../../src/daemon/metrics/daemon-metrics.ts";
import type { SessionSources, StatusSources } from "../../../src/daemon/status-builder.ts";
import { EventLoopDelay } from "../../../src/host/process-metrics.ts";
import { Counters } from "../../../src/router/shared/counters.ts";
import type { TunnelPeerStatus } from "../../../src/router/tunnel/tunnel.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";
import { promtool } from "../../support/promtool.ts";

const PATH = {
  transport: "udp",
  endpoint: "192.0.2.2:51820",
  rttMs: 1.5,
  mtuBytes: 1420,
  isUsable: true,
  detail: "in use",
} as const;

function peerStatus(publicKey: string, drops: TunnelPeerStatus["drops"] = {}): TunnelPeerStatus {
  return {
    publicKey,
    endpoint: null,
    allowedIps: [],
    lastHandshakeAtMs: 1_700_000_000_000,
    handshakes: 3,
    sessionUp: true,
    rxBytes: 148,
    txBytes: 2 ** 41,
    rxMessages: 1,
    txMessages: 2,
    drops,
    persistentKeepaliveSeconds: 0,
    paths: {
      current: { ...PATH, sinceMs: 0, reason: "direct" },
      second: null,
      all: [PATH],
      attempts: [],
      changes: 4,
      losses: 1,
    },
  };
}

function sourcesOf(names: readonly string[]): StatusSources {
  const peers = names.map((name, i) => mapPeer(name, i + 2));
  const counters = new Counters(0);
  counters.drop("in-forged", 7);
  counters.add("messagesSealed", 5);
  counters.spend("outbound", 250);
  const session = {
    map: networkMap(peers),
    tunnelPeers: [
      ...peers.map(({ name, wireguardKey }) => peerStatus(wireguardKey, name === "bob" ? { "out-too-big": 2 } : {})),
      peerStatus("of a peer that has gone", { "in-forged": 1 }),
    ],
    drops: counters.drops(),
    counters: counters.interface(),
    stagesMs: counters.stagesMs(),
    channel: { connected: true, lastContactAtMs: 1_700_000_000_500 },
    relays: [{ name: "berlin", connected: true, rttMs: 9 }],
  } as unknown as SessionSources;
  return { state: "running", network: "mesh", self: undefined, coordinatorUrl: undefined, warnings: ["x"], session };
}

const textOf = (sources: StatusSources) => formatMetrics(daemonMetrics({ ...sources, eventLoopDelay: undefined }));

describe("the metrics of a daemon", () => {
  it("are what promtool takes, in seconds and bytes", () => {
    using eventLoopDelay = new EventLoopDelay();
    const text = formatMetrics(daemonMetrics({ ...sourcesOf(["alice", "bob"]), eventLoopDelay }));
    expect(promtool(["check", "metrics"], text)).toBe("");
    expect(text.split("\n")).toEqual(
      expect.arrayContaining([
        'mesh_running{network="mesh"} 1',
        'mesh_peer_transmit_bytes_total{peer="bob"} 2199023255552',
        'mesh_peer_handshakes_total{peer="alice"} 3',
        'mesh_peer_last_handshake_timestamp_seconds{peer="alice"} 1700000000',
        'mesh_peer_path{peer="alice",transport="udp"} 1',
        'mesh_peer_rtt_seconds{peer="alice"} 0.0015',
        'mesh_peer_path_changes_total{peer="alice"} 4',
        'mesh_dropped_packets_total{reason="in-forged"} 7',
        'mesh_peer_dropped_packets_total{peer="bob",reason="out-too-big"} 2',
        "mesh_sealed_messages_total 5",
        'mesh_data_thread_seconds_total{stage="outbound"} 0.25',
        'mesh_relay_rtt_seconds{relay="berlin"} 0.009',
        "mesh_event_loop_delay_seconds_count 0",
      ]),
    );
  });

  it("grow by a dozen series with a peer, and by no others", () => {
    const seriesWith = (count: number) => {
      const names = Array.from({ length: count }, (_, i) => `peer-${i}`);
      return textOf(sourcesOf(names)).split("\n").length;
    };
    expect(seriesWith(60) - seriesWith(59)).toBe(seriesWith(2) - seriesWith(1));
    expect(seriesWith(2) - seriesWith(1)).toBeLessThanOrEqual(12);
  });

  it("leave out a peer that has gone from the map, and where it is", () => {
    const text = textOf(sourcesOf(["alice"]));
    expect(text).not.toContain("has gone");
    expect(text).not.toContain("192.0.2.2");
  });

  it("say of a stopped daemon that it is stopped", () => {
    const text = textOf({ ...sourcesOf([]), state: "stopped", session: undefined });
    expect(text).toContain('mesh_running{network="mesh"} 0');
    expect(text).not.toContain("mesh_dropped_packets_total");
  });
});
