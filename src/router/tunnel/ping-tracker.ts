import { MeshError } from "../../base/errors.ts";
import type { DataCommand, DataEvent } from "../shared/commands.ts";
import type { DescribePath, PingReply } from "./tunnel-types.ts";

interface Outstanding {
  readonly peer: number;
  readonly sequence: number;
  readonly resolve: (reply: PingReply) => void;
  readonly reject: (failure: MeshError) => void;
  readonly timer: NodeJS.Timeout;
}

/** Echo probes that wait for their replies. */
export class PingTracker {
  /** Tells our probes from those of an earlier life of this process, which may still be on their way. */
  readonly #id: number;
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #post: (commands: readonly DataCommand[]) => void;
  readonly #describe: DescribePath;
  #lastSequence = 0;

  constructor(id: number, post: (commands: readonly DataCommand[]) => void, describe: DescribePath) {
    this.#id = id;
    this.#post = post;
    this.#describe = describe;
  }

  /** @throws MeshError `timeout`, or what `abort` is called with */
  ping(peer: number, timeoutMs: number): Promise<PingReply> {
    this.#lastSequence = (this.#lastSequence + 1) >>> 0;
    const sequence = this.#lastSequence;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#outstanding.delete(sequence);
        reject(new MeshError("timeout", `no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#outstanding.set(sequence, { peer, sequence, resolve, reject, timer });
      this.#post([this.#command(peer, sequence)]);
    });
  }

  /** A session of `peer` is up: what was asked before went nowhere. */
  repeat(peer: number): void {
    const waiting = [...this.#outstanding.values()].filter((ping) => ping.peer === peer);
    this.#post(waiting.map((ping) => this.#command(peer, ping.sequence)));
  }

  receive(reply: Extract<DataEvent, { type: "probe-reply" }>): void {
    const ping = this.#outstanding.get(reply.sequence);
    if (ping === undefined || reply.id !== this.#id || ping.peer !== reply.peer) return;
    this.#outstanding.delete(reply.sequence);
    clearTimeout(ping.timer);
    ping.resolve({ rttMs: reply.rttMs, ...this.#describe(reply.endpoint) });
  }

  abort(failure: MeshError): void {
    for (const ping of this.#outstanding.values()) {
      clearTimeout(ping.timer);
      ping.reject(failure);
    }
    this.#outstanding.clear();
  }

  #command(peer: number, sequence: number): DataCommand {
    return { type: "send-probe", peer, path: null, id: this.#id, sequence };
  }
}
