import type { LabHost } from "./lab-host.ts";

/** What a long-running process of ours takes of its machine. */
export interface ProcessHealth {
  readonly rssMegabytes: number;
  readonly fileDescriptors: number;
  /** What keeps its event loop going: sockets, pipes, timers. */
  readonly handles: number;
  /** How late its timers came on average since the reading before, in milliseconds. */
  readonly delayMs: number;
  /** Completed WireGuard handshakes since it began, with all peers that it knows by now; 0 of a coordinator. */
  readonly handshakes: number;
}

const SAMPLE = /^(\w+)(?:\{[^}]*\})? (\S+)$/gm;

/** Reads a process again and again by the metrics that it serves on its host at `address`. */
export class HealthReader {
  readonly #host: LabHost;
  readonly #url: string;
  #delay = { seconds: 0, timers: 0 };

  constructor(host: LabHost, address: string) {
    this.#host = host;
    this.#url = `http://${address}/metrics`;
  }

  async read(): Promise<ProcessHealth> {
    const sums = sumByName(await this.#host.must("curl", "-sS", "--fail", this.#url));
    const sum = (name: string) => sums.get(name) ?? 0;
    const before = this.#delay;
    this.#delay = {
      seconds: sum("mesh_event_loop_delay_seconds_sum"),
      timers: sum("mesh_event_loop_delay_seconds_count"),
    };
    return {
      rssMegabytes: sum("process_resident_memory_bytes") / 1e6,
      fileDescriptors: sum("process_open_fds"),
      handles: sum("mesh_active_resources"),
      delayMs: ((this.#delay.seconds - before.seconds) / (this.#delay.timers - before.timers)) * 1000,
      handshakes: sum("mesh_peer_handshakes_total"),
    };
  }
}

/** Each metric's value, or the sum over its labels. */
function sumByName(text: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [, name, value] of text.matchAll(SAMPLE)) sums.set(name!, (sums.get(name!) ?? 0) + Number(value));
  return sums;
}
