import { createHash } from "node:crypto";
import type { UdpEndpoint } from "../../src/packet/endpoint.ts";
import type { RandomFill } from "../../src/wireguard/index-table.ts";
import { WireGuardNode, type WireGuardNodeOptions } from "./wireguard-node.ts";

export interface Datagram {
  readonly bytes: Uint8Array;
  readonly source: UdpEndpoint;
  readonly destination: UdpEndpoint;
}

/** Not 0, which the peer cells take for "never". */
const START_MS = 1_000_000;
const WALL_START_MS = Date.UTC(2026, 0, 1);
const MAX_STEPS = 100_000;

/**
 * A network and a clock in memory for `WireGuardNode`s: datagrams arrive `latencyMs` later, in order; `intercept` may
 * keep one back. Time moves only in `run` and `runUntil`, from deadline to deadline.
 */
export class WireGuardNetwork {
  latencyMs = 1;
  nowMs = START_MS;
  /** Returns false to lose the datagram. */
  intercept: (datagram: Datagram) => boolean = () => true;
  /** Everything that was put on the wire, lost or not. */
  readonly sent: Datagram[] = [];
  readonly #nodes = new Map<string, WireGuardNode>();
  readonly #asleep = new Set<WireGuardNode>();
  /** By how much the clock of a node that slept is behind that of the others. */
  readonly #behindMs = new Map<WireGuardNode, number>();
  readonly #queue: { readonly atMs: number; readonly datagram: Datagram }[] = [];

  add(endpoint: UdpEndpoint, options: WireGuardNodeOptions): WireGuardNode {
    const node: WireGuardNode = new WireGuardNode(options, {
      nowMs: () => this.nowMs - this.#behind(node),
      wallMs: () => WALL_START_MS + (this.nowMs - START_MS),
      random: seededRandom(`${endpoint.address}:${endpoint.port}`),
      send: (bytes, destination) => this.send({ bytes, source: endpoint, destination }),
    });
    this.#nodes.set(nameOf(endpoint), node);
    return node;
  }

  /** The node is reachable here as well, or from now on only here. */
  attach(endpoint: UdpEndpoint, node: WireGuardNode): void {
    this.#nodes.set(nameOf(endpoint), node);
  }

  detach(endpoint: UdpEndpoint): void {
    this.#nodes.delete(nameOf(endpoint));
  }

  send(datagram: Datagram): void {
    this.sent.push(datagram);
    if (this.intercept(datagram)) this.#queue.push({ atMs: this.nowMs + this.latencyMs, datagram });
  }

  /** Lets `durationMs` pass. */
  run(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    for (let step = 0; this.#step(untilMs); step++) {
      if (step > MAX_STEPS) throw new Error("the nodes keep each other busy without an end");
    }
    this.nowMs = untilMs;
  }

  /** Lets `durationMs` pass without the node: its clock stands still, and what is sent to it is lost. */
  sleep(node: WireGuardNode, durationMs: number): void {
    this.#asleep.add(node);
    this.run(durationMs);
    this.#asleep.delete(node);
    this.#behindMs.set(node, this.#behind(node) + durationMs);
  }

  /** Lets time pass until `condition` holds; throws when it does not within `limitMs`. */
  runUntil(condition: () => boolean, limitMs: number): void {
    const untilMs = this.nowMs + limitMs;
    while (!condition()) {
      if (!this.#step(untilMs)) throw new Error(`the condition did not come true within ${limitMs} ms`);
    }
  }

  /** Does what is next at or before `untilMs`; false when there is nothing. */
  #step(untilMs: number): boolean {
    const arrivalMs = this.#queue[0]?.atMs ?? Number.POSITIVE_INFINITY;
    const nodes = [...new Set(this.#nodes.values())].filter((node) => !this.#asleep.has(node));
    const deadlineOf = (node: WireGuardNode) => node.device.nextDeadlineMs() + this.#behind(node);
    const deadlineMs = Math.min(...nodes.map(deadlineOf));
    if (Math.min(arrivalMs, deadlineMs) > untilMs) return false;
    if (arrivalMs <= deadlineMs) {
      this.nowMs = Math.max(this.nowMs, arrivalMs);
      const { datagram } = this.#queue.shift() as { datagram: Datagram };
      const receiver = this.#nodes.get(nameOf(datagram.destination));
      if (receiver !== undefined && !this.#asleep.has(receiver)) receiver.receive(datagram.bytes, datagram.source);
      return true;
    }
    this.nowMs = Math.max(this.nowMs, deadlineMs);
    for (const node of nodes) if (deadlineOf(node) <= this.nowMs) node.tick();
    return true;
  }

  #behind(node: WireGuardNode): number {
    return this.#behindMs.get(node) ?? 0;
  }
}

function nameOf({ address, port }: UdpEndpoint): string {
  return `${address} ${port}`;
}

/** Bytes that look random and are the same in every run. */
export function seededRandom(seed: string): RandomFill {
  let calls = 0;
  return (bytes) => {
    for (let at = 0; at < bytes.length; at += 32) {
      const block = createHash("sha256").update(`${seed} ${calls++}`).digest();
      bytes.set(block.subarray(0, Math.min(32, bytes.length - at)), at);
    }
  };
}
