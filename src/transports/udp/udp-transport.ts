import { MeshError } from "../../base/errors.ts";
import { AF_INET, AF_INET6 } from "../../host/ffi/constants.ts";
import * as libc from "../../host/ffi/libc.ts";
import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import {
  type DatagramTransport,
  emptyTransportStats,
  type ReceivedRun,
  SendOutcome,
  type TransportStats,
} from "../datagram-transport.ts";
import type { EndpointRecord } from "../endpoint-record.ts";
import { type OpenSocket, openSocket } from "./open-socket.ts";
import { UdpSocket } from "./udp-socket.ts";

export interface UdpTransportOptions {
  /** 0: any free port, the same for both families. */
  readonly port: number;
  /** 0 for none. */
  readonly fwmark: number;
}

/** What `openUdpSockets` hands over; plain data, so that a thread can open what another uses. */
export interface UdpSockets {
  readonly port: number;
  readonly sockets: readonly OpenSocket[];
}

export type UdpFamily = "IPv4" | "IPv6";

export interface UdpTransportDeps {
  /** Counts here, perhaps together with others. */
  readonly stats?: TransportStats;
  /** The kernel refuses to cut sends of this family into datagrams any more; called at most once for each. */
  readonly onSegmentationLost?: (family: UdpFamily) => void;
}

const PORT_ATTEMPTS = 16;
/** Receives from one family before the other is asked. */
const MAX_IN_A_ROW = 32;

/**
 * Opens a socket for IPv4 and one for IPv6 on one port; one of them alone where the host has no more.
 * @throws MeshError `port-in-use`, `not-permitted`, `no-udp`
 */
export function openUdpSockets(options: UdpTransportOptions): UdpSockets {
  for (let attempt = 1; ; attempt++) {
    const first = openSocket(AF_INET, options.port, options.fwmark);
    try {
      const second = openSocket(AF_INET6, first?.port ?? options.port, options.fwmark);
      const sockets = [first, second].filter((socket) => socket !== undefined);
      if (sockets[0] === undefined) throw new MeshError("no-udp", "this host offers UDP over neither IPv4 nor IPv6");
      return { port: sockets[0].port, sockets };
    } catch (failure) {
      if (first !== undefined) libc.close(first.fd);
      // The kernel chose a port that is free for IPv4 only: ask for another.
      const mayRetry = options.port === 0 && failure instanceof MeshError && failure.code === "port-in-use";
      if (!mayRetry || attempt >= PORT_ATTEMPTS) throw failure;
    }
  }
}

/** UDP over both families on one port. */
export class UdpTransport implements DatagramTransport {
  readonly port: number;
  readonly pollFds: readonly number[];
  readonly #stats: TransportStats;
  readonly #v4: UdpSocket | undefined;
  readonly #v6: UdpSocket | undefined;
  /** The family to ask first: the one that had something last, but not for ever, or a flood over it starves the other. */
  #isV6First = false;
  #inARow = 0;
  #isClosed = false;

  constructor(opened: UdpSockets, { onSegmentationLost, stats = emptyTransportStats() }: UdpTransportDeps = {}) {
    this.#stats = stats;
    const of = (family: number, name: UdpFamily) => {
      const socket = opened.sockets.find((candidate) => candidate.family === family);
      return socket && new UdpSocket(socket, this.#stats, () => onSegmentationLost?.(name));
    };
    this.port = opened.port;
    this.#v4 = of(AF_INET, "IPv4");
    this.#v6 = of(AF_INET6, "IPv6");
    this.pollFds = opened.sockets.map((socket) => socket.fd);
  }

  get stats(): Readonly<TransportStats> {
    return this.#stats;
  }

  receive(into: ReceivedRun): boolean {
    if (this.#isClosed) return false;
    const first = this.#isV6First ? this.#v6 : this.#v4;
    const second = this.#isV6First ? this.#v4 : this.#v6;
    if (this.#inARow < MAX_IN_A_ROW && first?.receive(into)) {
      this.#inARow++;
      return true;
    }
    if (second?.receive(into)) {
      this.#isV6First = !this.#isV6First;
      this.#inARow = 1;
      return true;
    }
    if (this.#inARow < MAX_IN_A_ROW) return false;
    this.#inARow = 0;
    return first?.receive(into) ?? false;
  }

  send(
    buffer: PacketBuffer,
    offset: number,
    totalBytes: number,
    segmentBytes: number,
    destination: EndpointRecord,
    isWhole = false,
  ): SendOutcome {
    if (this.#isClosed) return SendOutcome.closed;
    const socket = destination.family === AF_INET ? this.#v4 : this.#v6;
    if (socket !== undefined && destination.isSet)
      return socket.send(buffer, offset, totalBytes, segmentBytes, destination, isWhole);
    this.#stats.sendFailures += Math.ceil(totalBytes / segmentBytes);
    return SendOutcome.unreachable;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const fd of this.pollFds) libc.close(fd);
  }
}
