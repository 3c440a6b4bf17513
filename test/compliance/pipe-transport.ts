import { describe, expect, it, vi } from "vitest";
import {
  MAX_PIPE_DATAGRAM_BYTES,
  type PipeHandlers,
  type PipeTransport,
} from "../../src/transports/pipe/pipe-transport.ts";
import { soon } from "../support/soon.ts";

vi.setConfig({ testTimeout: 30_000 });

/** One end of a pipe, and what it was told. */
export class PipeSide {
  readonly received: { readonly from: string; readonly datagram: Buffer }[] = [];
  readonly changes: string[] = [];
  readonly handlers: PipeHandlers = {
    onDatagram: (from, datagram) => this.received.push({ from, datagram: Buffer.from(datagram) }),
    onChange: (peer) => this.changes.push(peer),
  };
  #end: { readonly transport: PipeTransport; readonly key: string } | undefined;

  /** @param key by which the other end addresses it, base64 */
  attach(transport: PipeTransport, key: string): this {
    this.#end = { transport, key };
    return this;
  }

  get transport(): PipeTransport {
    return this.#opened.transport;
  }

  get key(): string {
    return this.#opened.key;
  }

  get #opened() {
    if (this.#end === undefined) throw new Error("not attached yet");
    return this.#end;
  }
}

/** Two peers that may reach each other; not necessarily connected yet. */
export interface PipePair {
  readonly left: PipeSide;
  readonly right: PipeSide;
  /** Breaks all connections without a goodbye. They may be made again at once. */
  breakConnections(): void;
  close(): Promise<void>;
}

/** What every transport over a byte stream holds to. */
export function pipeTransportSuite(name: string, open: () => Promise<PipePair>): void {
  const withPair = (test: (pair: PipePair) => Promise<void>) => async () => {
    const pair = await open();
    try {
      await connect(pair);
      await test(pair);
    } finally {
      await pair.close();
    }
  };

  const isOpen = ({ left, right }: PipePair) =>
    left.transport.isOpenTo(right.key) && right.transport.isOpenTo(left.key);

  async function connect(pair: PipePair): Promise<void> {
    await soon(() => {
      pair.left.transport.want(pair.right.key);
      pair.right.transport.want(pair.left.key);
      expect(isOpen(pair)).toBe(true);
    });
  }

  describe(`${name} as a pipe transport`, () => {
    it(
      "delivers datagrams of every size whole, both ways, and says who sent them",
      withPair(async ({ left, right }) => {
        const sizes = [1, 32, 148, 1452, 1500, 8192, MAX_PIPE_DATAGRAM_BYTES];
        const datagrams = sizes.map((sizeBytes, i) => Buffer.alloc(sizeBytes, i + 1));
        for (const datagram of datagrams) {
          expect(left.transport.send(right.key, datagram)).toBe(true);
          expect(right.transport.send(left.key, datagram)).toBe(true);
        }
        await soon(() => expect([left.received.length, right.received.length]).toEqual([sizes.length, sizes.length]));
        const bySize = (side: PipeSide) =>
          side.received.map(({ datagram }) => datagram).sort((a, b) => a.length - b.length);
        expect(bySize(left)).toEqual(datagrams);
        expect(bySize(right)).toEqual(datagrams);
        expect(new Set(left.received.map(({ from }) => from))).toEqual(new Set([right.key]));
        expect(new Set(right.received.map(({ from }) => from))).toEqual(new Set([left.key]));
        const bytes = sizes.reduce((sum, size) => sum + size);
        for (const { transport } of [left, right]) {
          expect(transport.stats).toMatchObject({
            sentDatagrams: sizes.length,
            sentBytes: bytes,
            receivedDatagrams: sizes.length,
            receivedBytes: bytes,
            droppedDatagrams: 0,
            malformedFrames: 0,
          });
        }
      }),
    );

    it(
      "copies what it is given to send",
      withPair(async ({ left, right }) => {
        const buffer = Buffer.alloc(4);
        for (let i = 0; i < 50; i++) {
          buffer.writeUInt32BE(i);
          left.transport.send(right.key, buffer);
        }
        await soon(() => expect(right.received).toHaveLength(50));
        const numbers = right.received.map(({ datagram }) => datagram.readUInt32BE());
        expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
      }),
    );

    it(
      "drops and counts what is too large, empty, or for nobody, and goes on",
      withPair(async ({ left, right }) => {
        expect(left.transport.send(right.key, Buffer.alloc(MAX_PIPE_DATAGRAM_BYTES + 1))).toBe(false);
        expect(left.transport.send(right.key, Buffer.alloc(0))).toBe(false);
        expect(left.transport.send("no key", Buffer.alloc(9))).toBe(false);
        expect(left.transport.stats.droppedDatagrams).toBe(3);
        expect(left.transport.addressOf(right.key)).not.toBeNull();
        left.transport.send(right.key, Buffer.from("goes on"));
        await soon(() => expect(right.received.map(({ datagram }) => String(datagram))).toEqual(["goes on"]));
      }),
    );

    it(
      "never blocks: of a burst that is too much for it the newest are kept, the others counted",
      withPair(async ({ left, right }) => {
        const COUNT = 50_000;
        const datagram = Buffer.alloc(1452);
        for (let i = 0; i < COUNT; i++) {
          datagram.writeUInt32BE(i);
          left.transport.send(right.key, datagram);
        }
        const { stats } = left.transport;
        await soon(() => expect(stats.sentDatagrams + stats.droppedDatagrams).toBe(COUNT));
        expect(stats.droppedDatagrams).toBeGreaterThan(0);
        // The last one may only be lost between the ends, where nobody drops the newest.
        await soon(() => expect(right.received.at(-1)?.datagram.readUInt32BE()).toBe(COUNT - 1));
        expect(right.received.length).toBeLessThanOrEqual(stats.sentDatagrams);
      }),
    );

    it(
      "notices a connection that breaks, says so, and makes it again as long as it is wanted",
      withPair(async (pair) => {
        const { left, right } = pair;
        const changes = left.changes.length;
        pair.breakConnections();
        await soon(() => expect(left.changes.length).toBeGreaterThan(changes));
        await connect(pair);
        expect(left.changes).toContain(right.key);
        await soon(() => {
          left.transport.send(right.key, Buffer.from("again"));
          expect(right.received.map(({ datagram }) => String(datagram))).toContain("again");
        });
      }),
    );

    it(
      "does nothing any more once it is closed, however often",
      withPair(async ({ left, right }) => {
        await Promise.all([left.transport.close(), left.transport.close()]);
        await left.transport.close();
        left.transport.want(right.key);
        expect(left.transport.isOpenTo(right.key)).toBe(false);
        expect(left.transport.addressOf(right.key)).toBeNull();
        const { droppedDatagrams } = left.transport.stats;
        expect(left.transport.send(right.key, Buffer.from("too late"))).toBe(false);
        expect(left.transport.stats.droppedDatagrams).toBe(droppedDatagrams + 1);
        // The other end learns it by itself, or from its next datagram.
        await soon(() => {
          right.transport.send(left.key, Buffer.from("anybody there"));
          expect(right.transport.isOpenTo(left.key)).toBe(false);
        });
        expect(left.received).toEqual([]);
      }),
    );
  });
}
