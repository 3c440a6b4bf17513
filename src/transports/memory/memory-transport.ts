import { isPipe, type UdpEndpoint } from "../../packet/endpoint.ts";
import type { PacketBuffer } from "../../packet/packet-buffer.ts";
import {
  type DatagramTransport,
  emptyTransportStats,
  MAX_RECEIVE_BYTES,
  type ReceivedRun,
  SendOutcome,
  type TransportStats,
} from "../datagram-transport.ts";
import type { EndpointRecord } from "../endpoint-record.ts";

/** The largest payload of a UDP datagram over IPv4. */
const MAX_DATAGRAM_BYTES = 65_507;
const QUEUE_DATAGRAMS = 1024;

interface Waiting {
  readonly from: UdpEndpoint;
  readonly bytes: Uint8Array;
}

/** A network of memory transports: datagrams go from address to address at once, unless `deliver` says otherwise. */
export class MemoryNetwork {
  readonly #members = new Map<string, MemoryTransport>();
  /** Decides on each datagram; false loses it. Tests replace it. */
  deliver: (from: UdpEndpoint, to: UdpEndpoint, bytes: Uint8Array) => boolean = () => true;

  attach(address: UdpEndpoint): MemoryTransport {
    const transport = new MemoryTransport(this, address);
    this.move(transport, address);
    return transport;
  }

  /** Gives `transport` another address, as a laptop that changes networks. */
  move(transport: MemoryTransport, address: UdpEndpoint): void {
    this.detach(transport);
    transport.address = address;
    this.#members.set(keyOf(address), transport);
  }

  detach(transport: MemoryTransport): void {
    if (this.#members.get(keyOf(transport.address)) === transport) this.#members.delete(keyOf(transport.address));
  }

  carry(from: UdpEndpoint, to: UdpEndpoint, bytes: Uint8Array): boolean {
    const receiver = this.#members.get(keyOf(to));
    if (receiver === undefined) return false;
    if (this.deliver(from, to, bytes)) receiver.enqueue({ from, bytes });
    return true;
  }
}

/** A transport of one address in a `MemoryNetwork`. */
export class MemoryTransport implements DatagramTransport {
  readonly pollFds: readonly number[] = [];
  address: UdpEndpoint;
  /** The largest datagram that leaves. */
  limitBytes = MAX_DATAGRAM_BYTES;
  readonly #stats: TransportStats = emptyTransportStats();
  readonly #network: MemoryNetwork;
  readonly #waiting: Waiting[] = [];
  #isClosed = false;

  constructor(network: MemoryNetwork, address: UdpEndpoint) {
    this.#network = network;
    this.address = address;
  }

  get port(): number {
    return this.address.port;
  }

  get stats(): Readonly<TransportStats> {
    return this.#stats;
  }

  enqueue(datagram: Waiting): void {
    if (this.#waiting.length < QUEUE_DATAGRAMS) this.#waiting.push(datagram);
  }

  receive(into: ReceivedRun): boolean {
    const first = this.#waiting.shift();
    if (first === undefined) return false;
    into.source.set(first.from);
    into.strideBytes = first.bytes.length;
    into.totalBytes = 0;
    this.#append(into, first);
    // As UDP_GRO does: rows of one sender and one size, the last may be shorter.
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(into, first, next); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#append(into, next);
      if (next.bytes.length < into.strideBytes) break;
    }
    this.#stats.receivedCalls++;
    return true;
  }

  send(
    buffer: PacketBuffer,
    offset: number,
    totalBytes: number,
    segmentBytes: number,
    destination: EndpointRecord,
  ): SendOutcome {
    if (this.#isClosed) return SendOutcome.closed;
    const endpoint = destination.toEndpoint();
    const to = endpoint === null || isPipe(endpoint) ? null : endpoint;
    let worst: SendOutcome = SendOutcome.sent;
    this.#stats.sentCalls++;
    for (let at = 0; at < totalBytes; at += segmentBytes) {
      const size = Math.min(segmentBytes, totalBytes - at);
      const outcome = this.#sendOne(Uint8Array.from(buffer.bytes.subarray(offset + at, offset + at + size)), to);
      if (outcome !== SendOutcome.sent) worst = outcome;
    }
    return worst;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#network.detach(this);
  }

  #sendOne(bytes: Uint8Array, to: UdpEndpoint | null): SendOutcome {
    const outcome =
      bytes.length > this.limitBytes
        ? SendOutcome.tooBig
        : to !== null && this.#network.carry(this.address, to, bytes)
          ? SendOutcome.sent
          : SendOutcome.unreachable;
    if (outcome === SendOutcome.sent) {
      this.#stats.sentDatagrams++;
      this.#stats.sentBytes += bytes.length;
    } else this.#stats.sendFailures++;
    return outcome;
  }

  #fits(into: ReceivedRun, first: Waiting, next: Waiting): boolean {
    return (
      keyOf(next.from) === keyOf(first.from) &&
      next.bytes.length <= into.strideBytes &&
      next.bytes.length > 0 &&
      into.totalBytes + next.bytes.length <= MAX_RECEIVE_BYTES
    );
  }

  #append(into: ReceivedRun, datagram: Waiting): void {
    into.buffer.bytes.set(datagram.bytes, into.offset + into.totalBytes);
    into.totalBytes += datagram.bytes.length;
    this.#stats.receivedDatagrams++;
    this.#stats.receivedBytes += datagram.bytes.length;
  }
}

function keyOf(endpoint: UdpEndpoint): string {
  return `${endpoint.address}|${endpoint.port}`;
}
