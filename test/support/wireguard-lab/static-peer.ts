import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { insideNamespace } from "../../../scripts/lib/netns.mjs";
import type {
  TunnelDropReason,
  TunnelInfo,
  TunnelOptions,
  TunnelPeerStatus,
} from "../../../src/router/tunnel/tunnel-types.ts";
import type { LabHost } from "../lab/lab-host.ts";
import {
  type EndSetup,
  INTERFACE,
  LISTEN_PORT,
  type PeerSetting,
  type PeerView,
  type WireGuardEnd,
} from "./wireguard-end.ts";

const program = fileURLToPath(new URL("../static-tunnel.mjs", import.meta.url));

export interface StaticPeerSetup
  extends EndSetup,
    Partial<Pick<TunnelOptions, "timings" | "aeadProvider" | "fwmark" | "interfaceName" | "listenPort">> {
  readonly routes?: readonly string[];
  /** A module that is loaded before the tunnel. */
  readonly preload?: string;
}

export interface StaticPeerStatus {
  readonly info: TunnelInfo;
  readonly peers: readonly TunnelPeerStatus[];
  readonly drops: Record<TunnelDropReason, number>;
  readonly counters: Record<string, number>;
}

let configs = 0;

/** Our `Tunnel` on a lab host: its own process, a real TUN device, a real data thread. */
export class StaticPeer implements WireGuardEnd {
  readonly host: LabHost;
  readonly process: ChildProcess;
  /** Lines that answer nothing: warnings, and what a preloaded module says. */
  readonly events: Record<string, unknown>[] = [];
  publicKey: string;
  readonly #waiting: { resolve: (answer: unknown) => void; reject: (failure: Error) => void }[] = [];
  readonly #exited: Promise<void>;
  #words = "";
  #onReady: () => void = () => {};

  private constructor(host: LabHost, publicKey: string, process: ChildProcess) {
    this.host = host;
    this.publicKey = publicKey;
    this.process = process;
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#words += text;
    });
    createInterface({ input: process.stdout! }).on("line", (line) => this.#receive(JSON.parse(line)));
    process.stdin?.on("error", () => undefined);
    this.#exited = new Promise((resolve) => process.once("close", () => resolve()));
    void this.#exited.then(() => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`the tunnel has ended: ${this.#words}`));
    });
  }

  static async start(host: LabHost, setup: StaticPeerSetup): Promise<StaticPeer> {
    const { publicKey, preload, peers, ...config } = setup;
    const path = `${host.scratchDirectory}/static-${++configs}.json`;
    const options = { interfaceName: INTERFACE, listenPort: LISTEN_PORT, peers: peers.map(toConfig) };
    writeFileSync(path, JSON.stringify({ ...options, ...config }), { mode: 0o600 });
    const loading = preload === undefined ? [] : ["--import", preload];
    const [command, args] = insideNamespace(host.namespace, process.execPath, [...loading, program, path]);
    const peer = new StaticPeer(host, publicKey, spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] }));
    await new Promise<void>((resolve, reject) => {
      peer.#onReady = resolve;
      void peer.#exited.then(() => reject(new Error(`the tunnel did not start: ${peer.#report()}`)));
    });
    return peer;
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async status(): Promise<StaticPeerStatus> {
    return (await this.#ask({ command: "status" })) as StaticPeerStatus;
  }

  async drops(): Promise<Record<TunnelDropReason, number>> {
    return (await this.status()).drops;
  }

  async peers(): Promise<PeerView[]> {
    const { peers } = await this.status();
    return peers.map(({ lastHandshakeAtMs, ...peer }) => ({
      ...peer,
      lastHandshakeSeconds: Math.floor((lastHandshakeAtMs ?? 0) / 1000),
    }));
  }

  async setPeers(peers: readonly PeerSetting[]): Promise<void> {
    await this.#ask({ command: "configure", peers: peers.map(toConfig) });
  }

  /** `undefined` clears the key. */
  async setKeys(keys: { readonly privateKey: string; readonly publicKey: string } | undefined): Promise<void> {
    await this.#ask({ command: "set-private-key", privateKey: keys?.privateKey ?? null });
    if (keys !== undefined) this.publicKey = keys.publicKey;
  }

  /** Round trip of a probe inside the session, milliseconds; fails when there is none in time. */
  async probe(publicKey: string, timeoutMs: number): Promise<number> {
    const answer = (await this.#ask({ command: "ping", publicKey, timeoutMs })) as { rttMs?: number };
    if (answer.rttMs === undefined) throw new Error(`no answer: ${JSON.stringify(answer)}`);
    return answer.rttMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) this.process.stdin?.end();
    await this.#exited;
  }

  #ask(request: Record<string, unknown>): Promise<unknown> {
    if (!this.isRunning) return Promise.reject(new Error(`the tunnel has ended: ${this.#report()}`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.process.stdin?.write(`${JSON.stringify(request)}\n`);
    });
  }

  #receive(message: Record<string, unknown>): void {
    if (message.event === undefined) this.#waiting.shift()?.resolve(message);
    else if (message.event === "ready") this.#onReady();
    else this.events.push(message);
  }

  #report(): string {
    return `${this.events.map((event) => JSON.stringify(event)).join("\n")}\n${this.#words}`;
  }
}

function toConfig({ endpoint, persistentKeepaliveSeconds, ...peer }: PeerSetting): Record<string, unknown> {
  return {
    ...peer,
    endpoints: endpoint === undefined ? [] : [endpoint],
    persistentKeepaliveSeconds: persistentKeepaliveSeconds ?? 0,
  };
}
