import { z } from "zod";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";
import { meshJson, startMesh } from "./mesh-command.ts";

const tokenSchema = z.object({ id: z.string(), token: z.string() });

export interface MeshServerOptions {
  /** How the peers reach it: `https://192.0.2.1:8443`. */
  readonly publicUrl: string;
  /** Further flags of `mesh serve`. */
  readonly args?: readonly string[];
  /** State of an earlier one, to start it again. */
  readonly home?: string;
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
    const process = await startMesh(host, home, args);
    await process.waitForOutput(/^ready \S+/m);
    return new MeshServer(host, home, options.publicUrl, process);
  }

  /** A join token; `args` are flags of `mesh token create`. */
  async createToken(...args: string[]): Promise<{ id: string; token: string }> {
    return tokenSchema.parse(await meshJson(this.host, this.home, "token", "create", ...args));
  }

  /** Ends as by `systemctl stop`; the exit status. */
  stop(): Promise<number> {
    return this.process.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process.kill();
  }
}
