import type { LabHost } from "../lab/lab-host.ts";

/** Every end of a lab listens here; each has a namespace of its own. */
export const LISTEN_PORT = 51820;
/** The WireGuard device of every lab host. */
export const INTERFACE = "wg0";

export interface PeerSetting {
  /** Base64. */
  readonly publicKey: string;
  /** Base64. */
  readonly presharedKey?: string;
  readonly allowedIps: readonly string[];
  /** `ADDRESS:PORT` or `[V6]:PORT`. */
  readonly endpoint?: string;
  readonly persistentKeepaliveSeconds?: number;
}

/** What an end says of one of its peers. */
export interface PeerView {
  readonly publicKey: string;
  readonly endpoint: string | null;
  /** In no particular order. */
  readonly allowedIps: readonly string[];
  /** Whole Unix seconds, all that `wg` knows; 0 for never. */
  readonly lastHandshakeSeconds: number;
  readonly rxBytes: number;
  readonly txBytes: number;
}

/** One end of a tunnel, ours or another implementation's. */
export interface WireGuardEnd extends AsyncDisposable {
  readonly host: LabHost;
  readonly publicKey: string;
  /** Makes these the peers; those that stay keep their sessions. */
  setPeers(peers: readonly PeerSetting[]): Promise<void>;
  peers(): Promise<PeerView[]>;
}

export interface EndSetup {
  readonly privateKey: string;
  readonly publicKey: string;
  /** Inside the tunnel, with prefix length. */
  readonly addresses: readonly string[];
  readonly mtu: number;
  readonly peers: readonly PeerSetting[];
}

/** What `end` says of the peer with this key. */
export async function peerOf(end: WireGuardEnd, publicKey: string): Promise<PeerView> {
  const peer = (await end.peers()).find((each) => each.publicKey === publicKey);
  if (peer === undefined) throw new Error(`${end.host.label} has no peer ${publicKey}`);
  return peer;
}

/** `ADDRESS:PORT` as `wg` and we write it. */
export function endpointText(address: string, port: number = LISTEN_PORT): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
