import { type Endpoint, isPipe } from "../../packet/endpoint.ts";
import { MAX_PIPE_DATAGRAM_BYTES } from "../../transports/pipe/pipe-transport.ts";
import { DATA_OVERHEAD_BYTES } from "../../wireguard/constants.ts";
import type { DataCommand } from "../shared/commands.ts";
import { LARGE_BYTES, PathCell, type PathCells } from "../shared/path-cells.ts";
import { type MtuEvent, PathMtu } from "./path-mtu.ts";

export interface PeerMtusOptions {
  /** The engine's index of the peer. */
  readonly peer: number;
  /** Tells the probes from others. */
  readonly probeId: number;
  /** The interface's. */
  readonly mtuBytes: number;
  readonly cells: PathCells;
}

/** What is known of how much a path carries. */
export interface PathCapacity {
  readonly mtuBytes: number;
  /** Nothing larger passes; false while that is not known. */
  readonly isSettled: boolean;
  /** A packet of IPv6's minimum MTU passes, if in fragments. */
  readonly carriesIpv6: boolean;
  /** In words for people. */
  readonly reason: string;
}

/** Path MTU discovery of one peer: found for each UDP path, fixed for pipes, which carry streams of bytes. */
export class PeerMtus {
  readonly #options: PeerMtusOptions;
  readonly #pipe: PathCapacity;
  readonly #paths: (PathMtu | PathCapacity | undefined)[] = [];
  #deadlineMs = Number.POSITIVE_INFINITY;

  constructor(options: PeerMtusOptions) {
    this.#options = options;
    const mtuBytes = Math.min(options.mtuBytes, MAX_PIPE_DATAGRAM_BYTES - DATA_OVERHEAD_BYTES);
    this.#pipe = { mtuBytes, isSettled: true, carriesIpv6: true, reason: "a byte stream carries any size" };
  }

  /** The path of this number leads to `endpoint` from now on. */
  add(path: number, endpoint: Endpoint): DataCommand[] {
    this.#paths[path] = isPipe(endpoint) ? this.#pipe : new PathMtu(this.#options.mtuBytes);
    return this.#announce(path);
  }

  remove(path: number): void {
    this.#paths[path] = undefined;
  }

  capacityOf(path: number): PathCapacity | undefined {
    return this.#paths[path];
  }

  /** A probe of path selection was answered by the path. */
  alive(path: number, rttMs: number, nowMs: number): DataCommand[] {
    const { cells, peer } = this.#options;
    const mtuBytes = this.#paths[path]?.mtuBytes ?? 0;
    const sent = cells.get(peer, path, mtuBytes >= LARGE_BYTES ? PathCell.txLarge : PathCell.txData);
    return this.handle(path, { type: "alive", rttMs, sent }, nowMs);
  }

  /** `set-path-mtu` is among the commands whenever what is known has changed. */
  handle(path: number, event: MtuEvent, nowMs: number): DataCommand[] {
    const mtu = this.#paths[path];
    if (!(mtu instanceof PathMtu)) return [];
    const { peer, probeId: id } = this.#options;
    const { mtuBytes, isSettled, carriesIpv6 } = mtu;
    const probes = mtu.handle(event, nowMs);
    this.#deadlineMs = Math.min(...this.#measured().map(([, each]) => each.nextDeadlineMs()));
    const isNew = mtuBytes !== mtu.mtuBytes || isSettled !== mtu.isSettled || carriesIpv6 !== mtu.carriesIpv6;
    const commands = isNew ? this.#announce(path) : [];
    for (const { sequence, ...padding } of probes)
      commands.push({ type: "send-probe", peer, path, id, sequence, padding });
    return commands;
  }

  /** The network is another one. */
  restart(nowMs: number): DataCommand[] {
    return this.#measured().flatMap(([path]) => this.handle(path, { type: "restart" }, nowMs));
  }

  tick(nowMs: number): DataCommand[] {
    if (nowMs < this.#deadlineMs) return [];
    return this.#measured().flatMap(([path]) => this.handle(path, { type: "tick" }, nowMs));
  }

  /** Infinity for never. */
  nextDeadlineMs(): number {
    return this.#deadlineMs;
  }

  #measured(): [path: number, mtu: PathMtu][] {
    return this.#paths.flatMap((mtu, path) => (mtu instanceof PathMtu ? [[path, mtu] as [number, PathMtu]] : []));
  }

  #announce(path: number): DataCommand[] {
    const capacity = this.#paths[path];
    if (capacity === undefined) return [];
    const { mtuBytes, isSettled } = capacity;
    const limitBytes = isSettled ? mtuBytes : this.#options.mtuBytes;
    return [{ type: "set-path-mtu", peer: this.#options.peer, path, mtuBytes, limitBytes }];
  }
}
