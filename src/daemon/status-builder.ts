import type { ActivePreference, DaemonState, RelayStatus, Status, StatusPeer } from "../api/local.ts";
import type { ExitUseView } from "../api/local-exit.ts";
import type { MapPeer, NetworkMap, SelfInfo } from "../api/network-map.ts";
import { softwareVersion } from "../base/version.ts";
import type { ControlChannelState } from "../control/control-channel-types.ts";
import type { DialAttempt } from "../host/dial-race.ts";
import type { NatReport } from "../nat/mapping.ts";
import type { DataStage, InterfaceCounter } from "../router/shared/counters.ts";
import type { TunnelInfo, TunnelPathsStatus, TunnelPeerStatus } from "../router/tunnel/tunnel.ts";
import type { RelayLinkState } from "./pipes/relay-links.ts";

/** What a status is made of; everything about a running session is left out where none runs. */
export interface StatusSources {
  readonly state: DaemonState;
  /** The name by which this machine knows the network. */
  readonly network: string | null;
  readonly self: SelfInfo | undefined;
  readonly coordinatorUrl: string | undefined;
  readonly warnings: readonly string[];
  /** When an exit that nobody has confirmed by then is left. */
  readonly confirmExitBy?: string | null;
  /** What was asked for, where no session tells what became of it. */
  readonly exit?: Pick<ExitUseView, "nodes" | "allowLan">;
  readonly session: SessionSources | undefined;
}

export interface SessionSources {
  readonly map: NetworkMap | undefined;
  readonly tunnel: TunnelInfo;
  readonly tunnelPeers: readonly TunnelPeerStatus[];
  readonly drops: Readonly<Record<string, number>>;
  /** What the data thread moved, and how long it was at each stage. */
  readonly counters: Readonly<Record<InterfaceCounter, number>>;
  readonly stagesMs: Readonly<Record<DataStage, number>>;
  readonly channel: ControlChannelState;
  readonly endpoints: readonly string[];
  readonly relays: readonly RelayLinkState[];
  /** Undefined until it was measured. */
  readonly nat: NatReport | undefined;
  /** It offers to be an exit, and no admin forbids it. */
  readonly isExit: boolean;
  readonly exitUse: Omit<ExitUseView, "confirmBy">;
  readonly preferenceOf: (peer: string) => ActivePreference | null;
  /** What came of the endpoints of the latest SSH dial to a peer (WireGuard key). */
  readonly sshAttemptsOf: (peer: string) => readonly DialAttempt[];
}

const NO_EXIT = { nodes: [], using: null, families: [], allowLan: false };

export function buildStatus(sources: StatusSources): Status {
  const { state, network, self, session } = sources;
  return {
    schemaVersion: 1,
    version: softwareVersion(),
    state,
    network,
    interface: session?.tunnel.interfaceName ?? null,
    self: self === undefined ? null : selfStatus(self, session),
    coordinator: coordinatorStatus(sources),
    relays: (session?.relays ?? []).map(relayStatus),
    exit: {
      ...(session?.exitUse ?? { ...NO_EXIT, ...sources.exit }),
      confirmBy: sources.confirmExitBy ?? null,
      offering: session?.isExit ?? false,
    },
    dataPlane:
      session === undefined
        ? null
        : {
            aeadProvider: session.tunnel.aeadProvider,
            aeadWhy: session.tunnel.aeadWhy,
            offloads: { ...session.tunnel.offloads },
            ipv4: session.tunnel.ipv4,
            ipv6: session.tunnel.ipv6,
            drops: { ...session.drops },
          },
    warnings: [...sources.warnings],
    peers: session === undefined ? [] : peerStatuses(session),
  };
}

function selfStatus(self: SelfInfo, session: SessionSources | undefined): NonNullable<Status["self"]> {
  const { name, ip4, ip6, cidr, admin, wireguardKey } = self;
  return {
    name,
    ip4,
    ip6,
    publicKey: wireguardKey,
    cidr,
    admin,
    listenPort: session?.tunnel.listenPort ?? 0,
    endpoints: [...(session?.endpoints ?? [])],
    nat: { udp: session?.nat?.udp ?? null, mapping: session?.nat?.mapping ?? "unknown" },
  };
}

function coordinatorStatus({ session, coordinatorUrl }: StatusSources): Status["coordinator"] {
  if (session === undefined) {
    return coordinatorUrl === undefined
      ? null
      : { url: coordinatorUrl, connected: false, lastContactAt: null, error: null };
  }
  const { url, connected, lastContactAtMs, error } = session.channel;
  return { url, connected, lastContactAt: instant(lastContactAtMs), error: error?.message ?? null };
}

export function relayStatus({ name, url, isHome, connected, rttMs, error }: RelayLinkState): RelayStatus {
  return { name, url, home: isHome, connected, rttMs: roundedMs(rttMs), error: error?.message ?? null };
}

function peerStatuses(session: SessionSources): StatusPeer[] {
  const live = new Map(session.tunnelPeers.map((peer) => [peer.publicKey, peer]));
  return (session.map?.peers ?? [])
    .map((peer) => peerStatus(peer, live.get(peer.wireguardKey), session))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function peerStatus(peer: MapPeer, live: TunnelPeerStatus | undefined, session: SessionSources): StatusPeer {
  const path = currentPath(live?.paths?.current ?? null);
  return {
    name: peer.name,
    ip4: peer.ip4,
    ip6: peer.ip6,
    publicKey: peer.wireguardKey,
    cidr: peer.cidr,
    allowedIps: [...peer.allowedIps],
    // A live session outweighs a coordinator that is away or has lost sight of the peer.
    online: path !== null || (peer.online && session.channel.connected),
    path,
    paths: (live?.paths?.all ?? []).map(({ transport, endpoint, rttMs, mtuBytes, isUsable, detail }) => ({
      transport,
      endpoint,
      rttMs: roundedMs(rttMs),
      mtu: mtuBytes,
      usable: isUsable,
      detail,
    })),
    attempts: [
      ...(live?.paths?.attempts ?? []).map(attemptStatus),
      ...sshDial(session.sshAttemptsOf(peer.wireguardKey)),
    ],
    preference: session.preferenceOf(peer.name),
    lastHandshakeAt: instant(live?.lastHandshakeAtMs ?? null),
    rxBytes: live?.rxBytes ?? 0,
    txBytes: live?.txBytes ?? 0,
  };
}

const SSH_OUTCOMES = { won: "logged in", lost: "another endpoint was faster" } as const;

/** The receipt of an SSH dial: a race of its own, among the endpoints of the peer's SSH server. */
function sshDial(attempts: readonly DialAttempt[]): StatusPeer["attempts"] {
  if (attempts.length === 0) return [];
  const startedAtMs = Math.min(...attempts.map((attempt) => attempt.startedAtMs));
  const endedAtMs = Math.max(...attempts.map((attempt) => attempt.startedAtMs + attempt.tookMs));
  const candidates = attempts.map(({ endpoint, startedAtMs: triedAtMs, tookMs, outcome, reason }) => {
    const answeredAt = outcome === "won" ? instant(triedAtMs + tookMs) : null;
    return {
      transport: "ssh" as const,
      endpoint,
      triedAt: instant(triedAtMs),
      probes: 0,
      heardAt: answeredAt,
      answeredAt,
      rttMs: null,
      won: outcome === "won",
      outcome: outcome === "failed" ? reason : SSH_OUTCOMES[outcome],
    };
  });
  const cause = "SSH was dialled";
  return [{ cause, startedAt: new Date(startedAtMs).toISOString(), endedAt: instant(endedAtMs), candidates }];
}

function currentPath(current: TunnelPathsStatus["current"]): StatusPeer["path"] {
  if (current === null) return null;
  const { transport, endpoint, rttMs, mtuBytes: mtu, sinceMs, reason } = current;
  return { transport, endpoint, rttMs: roundedMs(rttMs), mtu, since: new Date(sinceMs).toISOString(), reason };
}

function attemptStatus(attempt: TunnelPathsStatus["attempts"][number]): StatusPeer["attempts"][number] {
  return {
    cause: attempt.cause,
    startedAt: new Date(attempt.startedAtMs).toISOString(),
    endedAt: instant(attempt.endedAtMs),
    candidates: attempt.candidates.map((candidate) => ({
      transport: candidate.transport,
      endpoint: candidate.endpoint,
      triedAt: instant(candidate.triedAtMs),
      probes: candidate.probes,
      heardAt: instant(candidate.heardAtMs),
      answeredAt: instant(candidate.answeredAtMs),
      rttMs: roundedMs(candidate.rttMs),
      won: candidate.isWinner,
      outcome: candidate.outcome,
    })),
  };
}

function roundedMs(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 1000) / 1000;
}

function instant(wallMs: number | null): string | null {
  return wallMs === null ? null : new Date(wallMs).toISOString();
}
