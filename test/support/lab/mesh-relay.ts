import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";
import { startMesh } from "./mesh-command.ts";
import type { MeshServer } from "./mesh-server.ts";

export interface MeshRelayOptions {
  /** How the peers reach it: `https://192.0.2.4:443`. */
  readonly publicUrl: string;
  /** Undefined to start again with the state that is there. */
  readonly server?: MeshServer;
}

/** A real `mesh relay` on a lab host, named after it, that serves by the time `start` returns. */
export class MeshRelay implements AsyncDisposable {
  readonly host: LabHost;
  readonly url: string;
  readonly home: string;
  readonly process: LabProcess;

  private constructor(host: LabHost, url: string, home: string, process: LabProcess) {
    this.host = host;
    this.url = url;
    this.home = home;
    this.process = process;
  }

  static async start(host: LabHost, { publicUrl, server }: MeshRelayOptions): Promise<MeshRelay> {
    const home = `${host.scratchDirectory}/relay`;
    const token = server === undefined ? [] : ["--token", (await server.createToken({ relay: true })).token];
    const args = ["relay", ...token, "--name", host.label, "--public-url", publicUrl];
    const process = await startMesh(host, home, args);
    await process.waitForOutput(/^ready \S+/m);
    return new MeshRelay(host, publicUrl, home, process);
  }

  /** Ends as by `systemctl stop`; the exit status. */
  stop(): Promise<number> {
    return this.process.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process.kill();
  }
}
