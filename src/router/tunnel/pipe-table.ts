import type { PipeTransportName } from "../../base/transports.ts";
import type { PipeEndpoint } from "../../packet/endpoint.ts";
import { PipeRing } from "../../transports/pipe/pipe-ring.ts";
import {
  MAX_PIPE_DATAGRAM_BYTES,
  type PipeHandlers,
  type PipeTransport,
} from "../../transports/pipe/pipe-transport.ts";

/** A way to one peer by one transport. Its number is never given to another one. */
export interface Pipe {
  readonly number: number;
  readonly peer: string;
  readonly transport: PipeTransport;
}

export interface PipeTableDeps {
  /** Whether datagrams of this peer are wanted at all. */
  readonly isPeer: (publicKey: string) => boolean;
  /** Makes the data thread look into its ring. */
  readonly wake: () => void;
  /** The pipes of a peer are others than before, or one has opened or closed. */
  readonly onChange: (publicKey: string) => void;
}

/** The control thread's side of the pipes: numbers for them, and datagrams from the rings to the transports and back. */
export class PipeTable {
  readonly toData = new PipeRing();
  readonly fromData = new PipeRing();
  /** Datagrams that the data thread was too slow to take. */
  overflowed = 0;
  readonly #deps: PipeTableDeps;
  readonly #transports = new Set<PipeTransport>();
  readonly #byNumber = new Map<number, Pipe>();
  readonly #byPeer = new Map<string, Map<PipeTransport, Pipe>>();
  readonly #scratch = Buffer.from(new ArrayBuffer(MAX_PIPE_DATAGRAM_BYTES));
  #lastNumber = 0;

  constructor(deps: PipeTableDeps) {
    this.#deps = deps;
  }

  /** What a transport that is about to be made is to call. What it says before `add` is not heard. */
  handlers(): { readonly handlers: PipeHandlers; add(transport: PipeTransport): void } {
    let added: PipeTransport | undefined;
    const handlers: PipeHandlers = {
      onDatagram: (peer, datagram) => {
        if (added !== undefined) this.#receive(added, peer, datagram);
      },
      onChange: (peer) => {
        if (added !== undefined) this.#deps.onChange(peer);
      },
    };
    const add = (transport: PipeTransport) => {
      added = transport;
      this.#transports.add(transport);
    };
    return { handlers, add };
  }

  /** Forgets the transport and its pipes; closing it is its owner's business. Returns the peers that had one. */
  detach(transport: PipeTransport): string[] {
    this.#transports.delete(transport);
    const concerned: string[] = [];
    for (const [peer, pipes] of this.#byPeer) {
      const pipe = pipes.get(transport);
      if (pipe === undefined) continue;
      pipes.delete(transport);
      this.#byNumber.delete(pipe.number);
      concerned.push(peer);
    }
    return concerned;
  }

  /** The pipes to `peer`, one by each transport that leads there, whether they are open or not. */
  pipesTo(peer: string): Pipe[] {
    return [...this.#transports].filter((transport) => leads(transport, peer)).map((each) => this.#pipe(each, peer));
  }

  /** Everybody who has a pipe. */
  peers(): string[] {
    return [...this.#byPeer.keys()];
  }

  get({ pipe }: PipeEndpoint): Pipe | undefined {
    return this.#byNumber.get(pipe);
  }

  forget(peer: string): void {
    for (const { number } of this.#byPeer.get(peer)?.values() ?? []) this.#byNumber.delete(number);
    this.#byPeer.delete(peer);
  }

  /** Says that a way to `peer` by transports of this name is wanted. */
  want(peer: string, name: PipeTransportName): void {
    for (const transport of this.#transports) {
      if (transport.transport === name && leads(transport, peer)) transport.want(peer);
    }
  }

  /** Sends what the data thread has left in its ring. */
  drain(): void {
    const { fromData } = this;
    for (;;) {
      let sizeBytes = fromData.nextBytes();
      if (sizeBytes < 0) {
        // The order matters: a datagram that comes in between is either seen here or announced.
        fromData.waitForWriter();
        sizeBytes = fromData.nextBytes();
        if (sizeBytes < 0) return;
      }
      const pipe = this.#byNumber.get(fromData.pipe);
      fromData.shift(this.#scratch, 0);
      pipe?.transport.send(pipe.peer, this.#scratch.subarray(0, sizeBytes));
    }
  }

  #receive(transport: PipeTransport, peer: string, datagram: Uint8Array): void {
    if (!this.#deps.isPeer(peer) || !this.#transports.has(transport)) return;
    const { number } = this.#pipe(transport, peer);
    const { buffer, byteOffset, length } = datagram;
    if (length === 0 || length > MAX_PIPE_DATAGRAM_BYTES) return;
    const bytes = Buffer.isBuffer(datagram) ? datagram : Buffer.from(buffer, byteOffset, length);
    if (!this.toData.push(number, bytes, 0, length)) this.overflowed++;
    if (this.toData.takeReaderWaiting()) this.#deps.wake();
  }

  #pipe(transport: PipeTransport, peer: string): Pipe {
    let pipes = this.#byPeer.get(peer);
    if (pipes === undefined) {
      pipes = new Map();
      this.#byPeer.set(peer, pipes);
    }
    let pipe = pipes.get(transport);
    if (pipe === undefined) {
      pipe = { number: ++this.#lastNumber, peer, transport };
      pipes.set(transport, pipe);
      this.#byNumber.set(pipe.number, pipe);
    }
    return pipe;
  }
}

function leads(transport: PipeTransport, peer: string): boolean {
  return transport.leadsTo?.(peer) ?? true;
}
