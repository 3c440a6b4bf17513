import { fileURLToPath } from "node:url";
import type { StunReport } from "../../../src/nat/stun/stun-client.ts";
import type { UdpEndpoint } from "../../../src/packet/endpoint.ts";
import { eventually } from "../lab/eventually.ts";
import type { LabHost } from "../lab/lab-host.ts";
import type { LabProcess } from "../lab/lab-process.ts";

const script = fileURLToPath(new URL("ask-servers.mjs", import.meta.url));

export interface StunAskerOptions {
  readonly port: number;
  /** Its own. */
  readonly addresses: readonly string[];
  readonly servers: readonly UdpEndpoint[];
}

/** A real STUN client on a lab host, that stays on its socket. */
export class StunAsker {
  readonly #process: LabProcess;

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  static async start(host: LabHost, options: StunAskerOptions): Promise<StunAsker> {
    return new StunAsker(await host.start(process.execPath, [script, JSON.stringify(options)]));
  }

  /** The first report, or, when it has told one already, the next after asking anew. */
  async report(): Promise<StunReport> {
    const known = this.#reports().length;
    if (known > 0) this.#process.write("\n");
    return eventually("all servers have answered or had their time", () => this.#reports()[known]);
  }

  #reports(): StunReport[] {
    const lines = this.#process.stdout.split("\n").filter((line) => line.startsWith('{"type":"measured"'));
    return lines.map((line) => JSON.parse(line).report as StunReport);
  }
}
