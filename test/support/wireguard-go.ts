import { execFileSync, spawn, spawnSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { DisposeStack } from "../../src/base/dispose.ts";
import type { UdpEndpoint } from "../../src/packet/endpoint.ts";
import { nodeCrypto } from "../../src/wireguard/crypto/node.ts";

export interface StockPeer {
  readonly publicKey: Uint8Array;
  readonly presharedKey?: Uint8Array;
  readonly allowedIps: string;
  readonly endpoint?: UdpEndpoint;
  readonly persistentKeepaliveSeconds?: number;
}

let started = 0;

/**
 * wireguard-go on a TUN of its own in a network namespace of its own, joined to the tests' namespace by a veth pair.
 * Needs root, `ip`, `wg` and `wireguard-go`.
 */
export class WireguardGo implements AsyncDisposable {
  /** Our end of the veth pair, and the other. */
  readonly ourAddress: string;
  readonly theirAddress: string;
  readonly namespace: string;
  readonly interfaceName: string;
  readonly publicKey: Uint8Array;
  readonly #disposal: DisposeStack;

  private constructor(
    names: { ours: string; theirs: string; namespace: string; tun: string },
    publicKey: Uint8Array,
    disposal: DisposeStack,
  ) {
    this.publicKey = publicKey;
    this.ourAddress = names.ours;
    this.theirAddress = names.theirs;
    this.namespace = names.namespace;
    this.interfaceName = names.tun;
    this.#disposal = disposal;
  }

  static async start(options: {
    readonly privateKey: Uint8Array;
    readonly listenPort: number;
    readonly address: string;
  }): Promise<WireguardGo> {
    const id = `${process.pid}x${started++}`;
    const namespace = `wgt-${id}`;
    const tun = `wgt${id}`;
    const subnet = `10.213.${process.pid % 250}`;
    const base = (started * 4) % 252;
    const names = { ours: `${subnet}.${base + 1}`, theirs: `${subnet}.${base + 2}`, namespace, tun };
    const disposal = new DisposeStack();
    try {
      ip("netns", "add", namespace);
      disposal.defer(() => ip("netns", "delete", namespace));
      ip("link", "add", `wgv${id}`, "type", "veth", "peer", "name", "outer", "netns", namespace);
      disposal.defer(() => void spawnSync("ip", ["link", "delete", `wgv${id}`]));
      ip("address", "add", `${names.ours}/30`, "dev", `wgv${id}`);
      ip("link", "set", `wgv${id}`, "up");
      ip("-n", namespace, "address", "add", `${names.theirs}/30`, "dev", "outer");
      ip("-n", namespace, "link", "set", "outer", "up");
      const daemon = spawn("ip", ["netns", "exec", namespace, "wireguard-go", "--foreground", tun], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: "1", LOG_LEVEL: "verbose" },
      });
      let words = "";
      for (const stream of [daemon.stdout, daemon.stderr]) stream.on("data", (chunk) => (words += chunk));
      disposal.defer(async () => {
        if (daemon.exitCode !== null) return;
        const gone = new Promise((resolve) => daemon.once("exit", resolve));
        daemon.kill();
        await gone;
      });
      const go = new WireguardGo(names, nodeCrypto.x25519Key(options.privateKey).publicKey, disposal);
      await go.#waitForSocket(() => words);
      go.#wg(`private-key /dev/stdin listen-port ${options.listenPort}`, options.privateKey);
      ip("-n", namespace, "address", "add", `${options.address}/24`, "dev", tun);
      ip("-n", namespace, "link", "set", tun, "mtu", "1420", "up");
      return go;
    } catch (failure) {
      await disposal.close();
      throw failure;
    }
  }

  setPeer(peer: StockPeer): void {
    const parts = [`peer ${base64(peer.publicKey)}`];
    if (peer.presharedKey !== undefined) parts.push("preshared-key /dev/stdin");
    parts.push(`allowed-ips ${peer.allowedIps}`);
    if (peer.endpoint !== undefined) parts.push(`endpoint ${peer.endpoint.address}:${peer.endpoint.port}`);
    if (peer.persistentKeepaliveSeconds !== undefined) {
      parts.push(`persistent-keepalive ${peer.persistentKeepaliveSeconds}`);
    }
    this.#wg(parts.join(" "), peer.presharedKey);
  }

  setListenPort(port: number): void {
    this.#wg(`listen-port ${port}`, undefined);
  }

  /** One echo request from inside the namespace; whether it was answered. */
  async ping(address: string): Promise<boolean> {
    const ping = spawn("ip", ["netns", "exec", this.namespace, "ping", "-c", "1", "-W", "10", address], {
      stdio: "ignore",
    });
    return new Promise((resolve) => ping.once("exit", (status) => resolve(status === 0)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposal.close();
  }

  /** Not by asking: `wg` deletes a socket that is bound and not listened on yet, taking it for a leftover. */
  async #waitForSocket(words: () => string): Promise<void> {
    for (let attempt = 0; attempt < 400; attempt++) {
      if (words().includes("UAPI listener started")) return;
      await delay(25);
    }
    throw new Error(`wireguard-go does not answer on its socket: ${words()}`);
  }

  /** `wg` opens /dev/stdin by its name, which works for the pipe of a shell and not for the socket that Node gives. */
  #wg(parameters: string, secret: Uint8Array | undefined): void {
    const command = ["ip", "netns", "exec", this.namespace, "wg", "set", this.interfaceName, ...parameters.split(" ")];
    execFileSync("sh", ["-c", 'cat | "$@"', "sh", ...command], {
      input: secret === undefined ? "" : `${base64(secret)}\n`,
      stdio: ["pipe", "ignore", "inherit"],
    });
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "inherit"] });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
