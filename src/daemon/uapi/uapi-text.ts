import type { TunnelPeerStatus } from "../../router/tunnel/tunnel.ts";

/**
 * The answer to `get=1` of WireGuard's cross-platform configuration protocol (https://www.wireguard.com/xplatform/): keys in
 * hex, one `key=value` a line, the interface first, then each peer from its `public_key` on.
 */
export interface UapiDevice {
  /** X25519, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly listenPort: number;
  /** 0 for none. */
  readonly fwmark: number;
  readonly peers: readonly TunnelPeerStatus[];
}

/** One chunk for the interface and one for each peer, so that a long dump never stands in memory whole. */
export function* uapiDump(device: UapiDevice): Generator<string> {
  let head = `private_key=${Buffer.from(device.privateKey).toString("hex")}\nlisten_port=${device.listenPort}\n`;
  if (device.fwmark !== 0) head += `fwmark=${device.fwmark}\n`;
  yield head;
  for (const peer of device.peers) yield dumpPeer(peer);
  yield "errno=0\n\n";
}

function dumpPeer(peer: TunnelPeerStatus): string {
  const handshakeMs = peer.lastHandshakeAtMs ?? 0;
  const lines = [
    `public_key=${Buffer.from(peer.publicKey, "base64").toString("hex")}`,
    `preshared_key=${"0".repeat(64)}`,
    "protocol_version=1",
  ];
  if (peer.endpoint !== null) lines.push(`endpoint=${peer.endpoint}`);
  lines.push(
    `last_handshake_time_sec=${Math.floor(handshakeMs / 1000)}`,
    `last_handshake_time_nsec=${Math.floor((handshakeMs % 1000) * 1e6)}`,
    `tx_bytes=${peer.txBytes}`,
    `rx_bytes=${peer.rxBytes}`,
    `persistent_keepalive_interval=${peer.persistentKeepaliveSeconds}`,
  );
  for (const cidr of peer.allowedIps) lines.push(`allowed_ip=${cidr}`);
  return `${lines.join("\n")}\n`;
}

export type UapiRequest = "get" | "set" | "unknown";

/**
 * Cuts a byte stream of requests (`get=1` or `set=1`, lines, an empty line) into requests. Lines of a `set` are thrown away as
 * they come, so its length does not matter; a line that never ends does.
 */
export class UapiRequestReader {
  #line = "";
  #request: UapiRequest | undefined;

  /** @throws RangeError when a line is longer than any that the protocol has */
  push(text: string): UapiRequest[] {
    const complete: UapiRequest[] = [];
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    if (this.#line.length > MAX_LINE_CHARACTERS) throw new RangeError("a line of the request never ends");
    for (const line of lines) {
      if (line !== "") this.#request ??= line === "get=1" ? "get" : line === "set=1" ? "set" : "unknown";
      else if (this.#request !== undefined) {
        complete.push(this.#request);
        this.#request = undefined;
      }
    }
    return complete;
  }
}

const MAX_LINE_CHARACTERS = 4096;
