import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { LabHost } from "../lab/lab-host.ts";
import type { LabProcess } from "../lab/lab-process.ts";
import type { MeshPeer } from "../lab/mesh-peer.ts";

const program = fileURLToPath(new URL("./hostile-client.mjs", import.meta.url));
const keysSchema = z.object({ machinePrivateKey: z.string() });

/** What the relay knows a registered peer by, for a client that is not our daemon. */
export interface RelayIdentity {
  /** Base64. */
  readonly wireguardKey: string;
  readonly keysFile: string;
}

/** Ends the daemon of `peer`, which stays registered, and takes over its keys. */
export async function takeOver(peer: MeshPeer): Promise<RelayIdentity> {
  const wireguardKey = (await peer.status()).self!.publicKey;
  await peer.stop();
  const { machinePrivateKey } = keysSchema.parse(
    JSON.parse(readFileSync(join(peer.home, "networks", "mesh", "keys.json"), "utf8")),
  );
  const keysFile = join(peer.host.scratchDirectory, `${peer.host.label}-relay-keys.json`);
  writeFileSync(keysFile, JSON.stringify({ machinePrivateKey, wireguardPublicKey: wireguardKey }), { mode: 0o600 });
  return { wireguardKey, keysFile };
}

export interface LabRelayClientOptions {
  /** `wss://HOST:PORT`, or `ws://…` */
  readonly url: string;
  readonly as?: readonly RelayIdentity[];
  readonly to?: string;
  /** Of the HTTP request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** `hostile-client.mjs` on a lab host. */
export class LabRelayClient implements AsyncDisposable {
  readonly #process: LabProcess;

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  static async start(host: LabHost, behaviour: string, options: LabRelayClientOptions): Promise<LabRelayClient> {
    const { url, as = [], ...more } = options;
    const settings = JSON.stringify({ url, keys: as.map(({ keysFile }) => keysFile), ...more });
    return new LabRelayClient(await host.start(process.execPath, [program, behaviour, settings]));
  }

  /** A client that only sends what it is told to, connected by the time it returns. */
  static async talking(host: LabHost, options: LabRelayClientOptions): Promise<LabRelayClient> {
    const client = await LabRelayClient.start(host, "talk", options);
    await client.#process.waitForOutput(/"connected"/);
    return client;
  }

  /** How often it did what it does. */
  get count(): number {
    return Number(this.#process.stdout.match(/.*"count":(\d+)/s)?.[1] ?? 0);
  }

  /** Where the relay says that a talking client comes from. */
  get observedAddress(): string | undefined {
    return /"observedAddress":"([^"]*)"/.exec(this.#process.stdout)?.[1];
  }

  /** The frames that came in. */
  get frames(): { readonly from: string; readonly text: string }[] {
    const lines = this.#process.stdout.matchAll(/^\{"frame":"([^"]*)","from":"([^"]*)"\}$/gm);
    return Array.from(lines, ([, text = "", from = ""]) => ({ from, text }));
  }

  /** Whether the relay has said that this peer is not there, or might as well not be. */
  misses({ wireguardKey }: RelayIdentity): boolean {
    return this.#process.stdout.includes(JSON.stringify({ gone: wireguardKey }));
  }

  /** @param text without blanks */
  say(to: RelayIdentity, text: string): void {
    this.#process.write(`${to.wireguardKey} ${text}\n`);
  }

  tail(): string {
    return this.#process.tail();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.kill();
  }
}
