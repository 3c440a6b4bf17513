import type { TokenCreate } from "../../../src/api/admin.ts";
import { coordinatorSocketPath, resolveHome } from "../../../src/daemon/networks/home.ts";
import { AdminSocketClient } from "../coordinator-client.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";
import { startMesh } from "./mesh-command.ts";

export interface MeshServerOptions {
  /** How the peers reach it: `https://192.0.2.1:8443`. */
  readonly publicUrl: string;
  /** Further flags of `mesh serve`. */
  readonly args?: readonly string[];
  /** State of an earlier one, to start it again. */
  readonly home?: string;
  /** A program, and its arguments, that runs it. */
  readonly wrapper?: readonly string[];
}

/** A real `mesh serve` on a lab host, that serves by the time `start` returns. */
export class MeshServer implements AsyncDisposable {
  readonly host: LabHost;
  readonly home: string;
  readonly url: string;
  readonly process: LabProcess;

  private constructor(host: LabHost, home: string, url: string, process: LabProcess) {
    this.host = host;
    this.home = home;
    this.url = url;
    this.process = process;
  }

  static async start(host: LabHost, options: MeshServerOptions): Promise<MeshServer> {
    const home = options.home ?? `${host.scratchDirectory}/server`;
    const args = ["serve", "--public-url", options.publicUrl, ...(options.args ?? [])];
    const process = await startMesh(host, home, args, {}, options.wrapper);
    await process.waitForOutput(/^ready \S+/m);
    return new MeshServer(host, home, options.publicUrl, process);
  }

  /** A join token, by its admin socket: a `mesh …` costs a hundred times as much. */
  async createToken(request: Partial<TokenCreate> = {}): Promise<{ id: string; token: string }> {
    const admin = new AdminSocketClient(coordinatorSocketPath(resolveHome(this.home)));
    const { id, token } = await admin.createToken(request);
    return { id, token };
  }

  /** Ends as by `systemctl stop`; the exit status. */
  stop(): Promise<number> {
    return this.process.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process.kill();
  }
}
