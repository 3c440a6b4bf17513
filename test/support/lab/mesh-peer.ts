import type { Status, StatusPeer } from "../../../src/api/local.ts";
import { LocalClient } from "../../../src/cli/clients/local-client.ts";
import { resolveHome } from "../../../src/daemon/networks/home.ts";
import { eventually } from "./eventually.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";
import { runMesh, startMesh } from "./mesh-command.ts";

/** What `mesh serve` calls its network where nobody says otherwise. */
const NETWORK = "mesh";

export interface MeshPeerOptions {
  readonly server: string;
  readonly token: string;
  readonly name?: string;
  /** Further flags of `mesh join`. */
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** A program, and its arguments, that runs it: `env NAME=VALUE`. */
  readonly wrapper?: readonly string[];
  /** State of its own below the host's scratch directory; another name for a second daemon on the host. */
  readonly home?: string;
  /** By which the host knows the network, where it is not called `mesh`. */
  readonly network?: string;
}

/** A daemon that has ended, by what it left. */
type Stopped = Pick<MeshPeer, "host" | "home"> & { readonly network?: string | undefined };

/** A real peer daemon on a lab host, running by the time `join` or `up` returns. */
export class MeshPeer implements AsyncDisposable {
  readonly host: LabHost;
  readonly home: string;
  readonly network: string;
  readonly process: LabProcess;

  private constructor({ host, home, network = NETWORK }: Stopped, process: LabProcess) {
    this.host = host;
    this.home = home;
    this.network = network;
    this.process = process;
  }

  /** `mesh join`, as the host's label unless `name` says otherwise. */
  static async join(host: LabHost, options: MeshPeerOptions): Promise<MeshPeer> {
    const home = options.home ?? `${host.scratchDirectory}/peer`;
    const name = options.name ?? host.label;
    const args = [
      "join",
      "--server",
      options.server,
      "--token",
      options.token,
      "--name",
      name,
      ...(options.args ?? []),
    ];
    const process = await startMesh(host, home, args, options.env, options.wrapper);
    return MeshPeer.#running(new MeshPeer({ host, home, network: options.network }, process));
  }

  /** `mesh up` with the state that `peer` (ended by now) left. */
  static async up(peer: Stopped, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<MeshPeer> {
    const process = await startMesh(peer.host, peer.home, [...flagFor(peer), "up", ...args], env);
    return MeshPeer.#running(new MeshPeer(peer, process));
  }

  /** `mesh join` with the state that `peer` (ended by now) left. */
  static async again(peer: Stopped, ...args: string[]): Promise<MeshPeer> {
    const process = await startMesh(peer.host, peer.home, ["join", ...args]);
    return MeshPeer.#running(new MeshPeer(peer, process));
  }

  static async #running(peer: MeshPeer): Promise<MeshPeer> {
    await eventually(
      `${peer.host.label} is running`,
      async () => {
        // A daemon that has ended will never run, and its own words say more than a timeout.
        if (!peer.process.isRunning) return peer;
        const { state } = await peer.local.status();
        if (state === "running") return peer;
        throw new Error(`it is ${state}\n${peer.process.tail()}`);
      },
      { timeoutMs: 30_000, intervalMs: 50 },
    );
    if (!peer.process.isRunning) throw new Error(`the daemon ended\n${peer.process.tail()}`);
    return peer;
  }

  /** Its local API: a `mesh …`, which costs a hundred times as much, is for tests of what it says. */
  get local(): LocalClient {
    return new LocalClient(resolveHome(this.home), this.network);
  }

  /** What `mesh status --json` prints. */
  status(): Promise<Status> {
    return this.local.status();
  }

  /** `mesh …` with this daemon, which must succeed. @returns what it printed */
  async mesh(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await runMesh(this.host, this.home, ...flagFor(this), ...args);
    if (status === 0) return stdout;
    throw new Error(`${this.host.label}: \`mesh ${args.join(" ")}\` ended with ${status}\n${stderr}`);
  }

  /** What this peer's status says of another, or undefined while it does not know it. */
  async peer(name: string): Promise<StatusPeer | undefined> {
    return (await this.status()).peers.find((peer) => peer.name === name);
  }

  /** Waits until there is a working path to the peer of this name. */
  reaches(name: string, timeoutMs = 15_000): Promise<StatusPeer> {
    return eventually(
      `${this.host.label} has a path to ${name}`,
      async () => {
        const peer = await this.peer(name);
        return peer !== undefined && peer.path !== null && peer.lastHandshakeAt !== null ? peer : undefined;
      },
      { timeoutMs },
    );
  }

  /** SIGTERM; the exit status. */
  stop(): Promise<number> {
    return this.process.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process.kill();
  }
}

function flagFor({ network = NETWORK }: Stopped): string[] {
  return network === NETWORK ? [] : ["--network", network];
}
