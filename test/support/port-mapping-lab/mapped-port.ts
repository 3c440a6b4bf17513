import { fileURLToPath } from "node:url";
import type { PortMapping } from "../../../src/nat/port-mapping/port-mapper.ts";
import { eventually } from "../lab/eventually.ts";
import type { LabHost } from "../lab/lab-host.ts";
import type { LabProcess } from "../lab/lab-process.ts";

const script = fileURLToPath(new URL("map-port.mjs", import.meta.url));

export interface MappedPortOptions {
  readonly port: number;
  readonly gateway: string;
  readonly localAddress: string;
  readonly secret: string;
}

/** The real port mapping client on a lab host, and a socket on the port that it maps. */
export class MappedPort {
  readonly #process: LabProcess;

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  static async open(host: LabHost, options: MappedPortOptions): Promise<MappedPort> {
    return new MappedPort(await host.start(process.execPath, [script, JSON.stringify(options)]));
  }

  /** Waits until there is a mapping. */
  mapping(): Promise<PortMapping> {
    return eventually("the gateway has mapped the port", () => this.#said<PortMapping>("mapping").at(-1));
  }

  get received(): string[] {
    return this.#said<string>("received");
  }

  /** As a daemon that has seen its routes change. */
  askAnew(): void {
    this.#process.write("\n");
  }

  /** Gives the mapping back, and ends. */
  async close(): Promise<void> {
    this.#process.closeInput();
    await this.#process.exited;
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  #said<T>(key: string): T[] {
    const lines = this.#process.stdout.split("\n").filter((line) => line.startsWith(`{"${key}":`));
    return lines.map((line) => JSON.parse(line)[key] as T);
  }
}
