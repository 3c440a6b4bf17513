import type { PacketBuffer } from "../packet/packet-buffer.ts";
import type { DatagramTransport, ReceivedRun, SendOutcome, TransportStats } from "./datagram-transport.ts";
import type { EndpointRecord } from "./endpoint-record.ts";

/** Receives from one transport before the other is asked: a flood over one must not starve the other. */
const MAX_IN_A_ROW = 32;

/** UDP and pipes as one transport: the destination says which. Both count in one `stats`. */
export class CombinedTransport implements DatagramTransport {
  readonly port: number;
  readonly pollFds: readonly number[];
  readonly stats: Readonly<TransportStats>;
  readonly #udp: DatagramTransport;
  readonly #pipes: DatagramTransport;
  #fromPipesInARow = 0;

  constructor(udp: DatagramTransport, pipes: DatagramTransport) {
    this.#udp = udp;
    this.#pipes = pipes;
    this.port = udp.port;
    this.pollFds = udp.pollFds;
    this.stats = udp.stats;
  }

  receive(into: ReceivedRun): boolean {
    if (this.#fromPipesInARow < MAX_IN_A_ROW && this.#pipes.receive(into)) {
      this.#fromPipesInARow++;
      return true;
    }
    this.#fromPipesInARow = 0;
    return this.#udp.receive(into) || this.#pipes.receive(into);
  }

  send(
    buffer: PacketBuffer,
    offset: number,
    totalBytes: number,
    segmentBytes: number,
    destination: EndpointRecord,
    isWhole?: boolean,
  ): SendOutcome {
    const transport = destination.isPipe ? this.#pipes : this.#udp;
    return transport.send(buffer, offset, totalBytes, segmentBytes, destination, isWhole);
  }

  close(): void {
    this.#udp.close();
    this.#pipes.close();
  }
}
