import { writeFileSync } from "node:fs";
import { eventually } from "../lab/eventually.ts";
import type { LabHost } from "../lab/lab-host.ts";
import type { LabProcess } from "../lab/lab-process.ts";
import {
  type EndSetup,
  INTERFACE,
  LISTEN_PORT,
  type PeerSetting,
  type PeerView,
  type WireGuardEnd,
} from "./wireguard-end.ts";

let secrets = 0;

/** wireguard-go on a lab host, configured with `wg`. */
export class StockPeer implements WireGuardEnd {
  readonly host: LabHost;
  readonly process: LabProcess;
  publicKey: string;

  private constructor(host: LabHost, publicKey: string, process: LabProcess) {
    this.host = host;
    this.publicKey = publicKey;
    this.process = process;
  }

  static async start(host: LabHost, setup: EndSetup): Promise<StockPeer> {
    const env = { ...process.env, WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: "1" };
    const started = await host.start("wireguard-go", ["--foreground", INTERFACE], { env });
    const peer = new StockPeer(host, setup.publicKey, started);
    await eventually("wireguard-go answers on its socket", async () => {
      if (!started.isRunning) throw new Error(started.tail());
      // Not by asking: `wg` deletes a socket that is bound and not listened on yet, taking it for a leftover.
      const listening = `00010000 .*/${INTERFACE}\\.sock$`;
      return (await host.run("grep", "-q", listening, "/proc/net/unix")).status === 0;
    });
    await peer.set("private-key", peer.#secretFile(setup.privateKey), "listen-port", String(LISTEN_PORT));
    for (const address of setup.addresses) await host.ip("address", "add", address, "dev", INTERFACE);
    await host.ip("link", "set", INTERFACE, "mtu", String(setup.mtu), "up");
    await peer.setPeers(setup.peers);
    return peer;
  }

  /** `wg set wg0 …` */
  async set(...words: string[]): Promise<void> {
    await this.host.must("wg", "set", INTERFACE, ...words);
  }

  async setPeers(peers: readonly PeerSetting[]): Promise<void> {
    const stale = (await this.peers()).filter((old) => !peers.some((peer) => peer.publicKey === old.publicKey));
    for (const { publicKey } of stale) await this.set("peer", publicKey, "remove");
    for (const peer of peers) await this.set(...this.#words(peer));
  }

  async setKeys(keys: { readonly privateKey: string; readonly publicKey: string }): Promise<void> {
    await this.set("private-key", this.#secretFile(keys.privateKey));
    this.publicKey = keys.publicKey;
  }

  async peers(): Promise<PeerView[]> {
    const [, ...lines] = (await this.host.must("wg", "show", INTERFACE, "dump")).trim().split("\n");
    return lines.map(parsePeer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop();
  }

  #words({ publicKey, presharedKey, allowedIps, endpoint, persistentKeepaliveSeconds }: PeerSetting): string[] {
    const words = ["peer", publicKey, "allowed-ips", allowedIps.join(",")];
    if (presharedKey !== undefined) words.push("preshared-key", this.#secretFile(presharedKey));
    if (endpoint !== undefined) words.push("endpoint", endpoint);
    if (persistentKeepaliveSeconds !== undefined)
      words.push("persistent-keepalive", String(persistentKeepaliveSeconds));
    return words;
  }

  #secretFile(secret: string): string {
    const path = `${this.host.scratchDirectory}/secret-${++secrets}`;
    writeFileSync(path, `${secret}\n`, { mode: 0o600 });
    return path;
  }
}

/** wg(8), `dump`: public key, preshared key, endpoint, allowed IPs, latest handshake, received, sent, keepalive. */
function parsePeer(line: string): PeerView {
  const [publicKey = "", , endpoint = "", allowedIps = "", handshake, received, sent] = line.split("\t");
  return {
    publicKey,
    endpoint: endpoint === "(none)" ? null : endpoint,
    allowedIps: allowedIps === "(none)" ? [] : allowedIps.split(","),
    lastHandshakeSeconds: Number(handshake),
    rxBytes: Number(received),
    txBytes: Number(sent),
  };
}
