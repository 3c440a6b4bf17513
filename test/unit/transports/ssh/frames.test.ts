import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_PIPE_DATAGRAM_BYTES } from "../../../../src/transports/pipe/pipe-transport.ts";
import { FrameDecoder } from "../../../../src/transports/ssh/frame-decoder.ts";
import { FrameQueue } from "../../../../src/transports/ssh/frame-queue.ts";

const LARGEST_FRAME = 2 + MAX_PIPE_DATAGRAM_BYTES;

const datagrams = fc.array(
  fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    fc.integer({ min: 1, max: MAX_PIPE_DATAGRAM_BYTES }).map((size) => new Uint8Array(size).fill(size)),
  ),
  { maxLength: 40 },
);

function frameOf(datagram: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(datagram.length >> 8, datagram.length & 0xff), datagram]);
}

/** Cuts `stream` at the given places, any number of them. */
function cut(stream: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => Math.floor(place * stream.length)).sort((a, b) => a - b), stream.length];
  return sorted.slice(1).map((end, i) => stream.subarray(sorted[i], end));
}

function decode(chunks: readonly Buffer[]) {
  const decoded: string[] = [];
  const decoder = new FrameDecoder((datagram) => decoded.push(textOf(datagram)));
  const malformed = chunks.reduce((sum, chunk) => sum + decoder.push(chunk), 0);
  return { decoded, malformed, isBetweenFrames: decoder.isBetweenFrames };
}

/** To compare many long datagrams in no time. */
const textOf = (datagram: Uint8Array) => Buffer.from(datagram).toString("base64");
const textsOf = (items: readonly Uint8Array[]) => items.map(textOf);
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 });

describe("frames out of a stream", () => {
  it("are what went in, however the stream is cut", () => {
    fc.assert(
      fc.property(datagrams, places, (sent, cuts) => {
        const result = decode(cut(Buffer.concat(sent.map(frameOf)), cuts));
        expect(result).toEqual({ decoded: textsOf(sent), malformed: 0, isBetweenFrames: true });
      }),
    );
  });

  it("come byte by byte as well", () => {
    const sent = [Uint8Array.of(1), new Uint8Array(300).fill(2), new Uint8Array(MAX_PIPE_DATAGRAM_BYTES).fill(3)];
    const stream = Buffer.concat(sent.map(frameOf));
    expect(decode(Array.from(stream, (byte) => Buffer.of(byte))).decoded).toEqual(textsOf(sent));
  });

  it("that are empty or too long are counted and passed over, the others arrive", () => {
    const bad = fc.constantFrom(0, MAX_PIPE_DATAGRAM_BYTES + 1, 20_000, 65_535).map((size) => new Uint8Array(size));
    const mixed = fc.array(fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 40 }), bad), { maxLength: 20 });
    fc.assert(
      fc.property(mixed, places, (sent, cuts) => {
        const good = sent.filter(({ length }) => length > 0 && length <= MAX_PIPE_DATAGRAM_BYTES);
        const result = decode(cut(Buffer.concat(sent.map(frameOf)), cuts));
        expect(result).toEqual({ decoded: textsOf(good), malformed: sent.length - good.length, isBetweenFrames: true });
      }),
    );
  });

  it("that are not complete are not handed over, and the decoder knows that it stands within one", () => {
    fc.assert(
      fc.property(datagrams, fc.integer({ min: 1, max: MAX_PIPE_DATAGRAM_BYTES }), fc.nat(), (sent, size, part) => {
        const last = frameOf(new Uint8Array(size)).subarray(0, 1 + (part % (size + 1)));
        const result = decode([Buffer.concat([...sent.map(frameOf), last])]);
        expect(result).toEqual({ decoded: textsOf(sent), malformed: 0, isBetweenFrames: false });
      }),
    );
  });
});

describe("the queue of frames before a slow connection", () => {
  const capacities = fc.integer({ min: LARGEST_FRAME, max: 4 * LARGEST_FRAME });

  it("gives out the newest that fit, in order, whole, in pieces of the size asked for", () => {
    const batches = fc.integer({ min: 1, max: 40_000 });
    fc.assert(
      fc.property(capacities, datagrams, batches, (capacity, sent, batchBytes) => {
        const queue = new FrameQueue(capacity);
        const dropped = sent.reduce((sum, datagram) => sum + queue.push(datagram), 0);
        expect(queue.datagrams).toBe(sent.length - dropped);
        const chunks: Buffer[] = [];
        for (let batch = queue.take(batchBytes); batch !== undefined; batch = queue.take(batchBytes)) {
          const { decoded, isBetweenFrames } = decode([batch]);
          expect(isBetweenFrames).toBe(true);
          expect(batch.length <= batchBytes || decoded.length === 1).toBe(true);
          chunks.push(batch);
        }
        expect(decode(chunks).decoded).toEqual(textsOf(sent.slice(dropped)));
        expect(queue.datagrams).toBe(0);
        // No more went than had to: with the last that did, it would not have fitted.
        const bytes = (items: readonly Uint8Array[]) => items.reduce((sum, { length }) => sum + 2 + length, 0);
        expect(bytes(sent.slice(dropped))).toBeLessThanOrEqual(capacity);
      }),
    );
  });

  it("keeps its order and its count while it is filled and emptied by turns", () => {
    const steps = fc.array(fc.record({ push: datagrams, takeBytes: fc.integer({ min: 0, max: 20_000 }) }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(capacities, steps, (capacity, turns) => {
        const queue = new FrameQueue(capacity);
        let expected: string[] = [];
        for (const { push, takeBytes } of turns) {
          for (const datagram of push) {
            const dropped = queue.push(datagram);
            expected = [...expected.slice(dropped), textOf(datagram)];
          }
          const taken = takeBytes === 0 ? undefined : queue.take(takeBytes);
          const { decoded } = decode(taken === undefined ? [] : [taken]);
          expect(decoded).toEqual(expected.slice(0, decoded.length));
          expected = expected.slice(decoded.length);
          expect(queue.datagrams).toBe(expected.length);
        }
        expect(queue.clear()).toBe(expected.length);
        expect(queue.take(1)).toBeUndefined();
      }),
    );
  });

  it("is never smaller than the largest frame", () => {
    expect(() => new FrameQueue(LARGEST_FRAME - 1)).toThrow(RangeError);
    const queue = new FrameQueue(LARGEST_FRAME);
    queue.push(Uint8Array.of(1));
    expect(queue.push(new Uint8Array(MAX_PIPE_DATAGRAM_BYTES))).toBe(1);
    expect(queue.take(1)).toHaveLength(LARGEST_FRAME);
  });
});
