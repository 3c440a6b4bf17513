import { describe, expect, it } from "vitest";
import { PacketBuffer } from "../../src/packet/packet-buffer.ts";
import { type DatagramTransport, ReceivedRun, SendOutcome } from "../../src/transports/datagram-transport.ts";
import type { EndpointRecord } from "../../src/transports/endpoint-record.ts";

/** Two transports that reach each other, and how each addresses the other. */
export interface TransportPair {
  readonly left: DatagramTransport;
  readonly right: DatagramTransport;
  readonly toLeft: EndpointRecord;
  readonly toRight: EndpointRecord;
  close(): void;
}

const DEADLINE_MS = 5000;

/** All datagrams that arrive until there are `count`. */
export function receiveDatagrams(transport: DatagramTransport, count: number, run = new ReceivedRun()): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  for (const deadline = Date.now() + DEADLINE_MS; datagrams.length < count; ) {
    if (!transport.receive(run)) {
      if (Date.now() > deadline) throw new Error(`${datagrams.length} of ${count} datagrams arrived`);
      continue;
    }
    const end = run.offset + run.totalBytes;
    for (let at = run.offset; at < end; at += run.strideBytes)
      datagrams.push(Uint8Array.from(run.buffer.bytes.subarray(at, Math.min(at + run.strideBytes, end))));
  }
  return datagrams;
}

/** A buffer of `count` datagrams of `strideBytes`, the last of `lastBytes`, each filled with its number. */
export function numbered(count: number, strideBytes: number, lastBytes = strideBytes) {
  const totalBytes = (count - 1) * strideBytes + lastBytes;
  const buffer = new PacketBuffer((totalBytes + 3) & ~3);
  for (let i = 0; i < count; i++)
    buffer.bytes.fill(i + 1, i * strideBytes, Math.min((i + 1) * strideBytes, totalBytes));
  const expected = Array.from({ length: count }, (_, i) =>
    new Uint8Array(i === count - 1 ? lastBytes : strideBytes).fill(i + 1),
  );
  return { buffer, totalBytes, expected };
}

/** What every datagram transport holds to. */
export function datagramTransportSuite(name: string, open: () => TransportPair): void {
  const withPair = (test: (pair: TransportPair) => void) => () => {
    const pair = open();
    try {
      test(pair);
    } finally {
      pair.close();
    }
  };

  describe(`${name} as a datagram transport`, () => {
    it(
      "delivers a datagram whole, and says who sent it",
      withPair(({ left, right, toLeft, toRight }) => {
        const { buffer, totalBytes, expected } = numbered(1, 148);
        expect(left.send(buffer, 0, totalBytes, totalBytes, toRight)).toBe(SendOutcome.sent);
        const run = new ReceivedRun();
        expect(receiveDatagrams(right, 1, run)).toEqual(expected);
        expect(run.source.isSameRemote(toLeft)).toBe(true);
        expect(run.source.toEndpoint()).toEqual(toLeft.toEndpoint());
      }),
    );

    it(
      "answers to where a datagram came from",
      withPair(({ left, right, toRight }) => {
        const { buffer, totalBytes, expected } = numbered(1, 92);
        left.send(buffer, 0, totalBytes, totalBytes, toRight);
        const run = new ReceivedRun();
        receiveDatagrams(right, 1, run);
        expect(right.send(buffer, 0, totalBytes, totalBytes, run.source)).toBe(SendOutcome.sent);
        expect(receiveDatagrams(left, 1)).toEqual(expected);
      }),
    );

    it.each([
      { count: 44, strideBytes: 1452, lastBytes: 1452 },
      { count: 64, strideBytes: 96, lastBytes: 48 },
      { count: 2, strideBytes: 33, lastBytes: 32 },
      { count: 3, strideBytes: 1000, lastBytes: 1 },
    ])("cuts a row of $count datagrams of $strideBytes bytes, the last of $lastBytes", (row) => {
      withPair(({ left, right, toRight }) => {
        const { buffer, totalBytes, expected } = numbered(row.count, row.strideBytes, row.lastBytes);
        expect(left.send(buffer, 0, totalBytes, row.strideBytes, toRight)).toBe(SendOutcome.sent);
        expect(receiveDatagrams(right, row.count)).toEqual(expected);
        expect(left.stats.sentDatagrams).toBe(row.count);
        expect(left.stats.sentBytes).toBe(totalBytes);
        expect(right.stats.receivedDatagrams).toBe(row.count);
        expect(right.stats.receivedBytes).toBe(totalBytes);
      })();
    });

    it(
      "sends from the middle of a buffer and receives to the middle of one",
      withPair(({ left, right, toRight }) => {
        const buffer = new PacketBuffer(4096);
        buffer.bytes.fill(7, 1000, 1128);
        left.send(buffer, 1000, 128, 128, toRight);
        const run = new ReceivedRun(new PacketBuffer(65_536 + 64), 64);
        expect(receiveDatagrams(right, 1, run)).toEqual([new Uint8Array(128).fill(7)]);
        expect(run.offset).toBe(64);
      }),
    );

    it(
      "refuses a datagram that is too large, counts it, and goes on",
      withPair(({ left, right, toRight }) => {
        const buffer = new PacketBuffer(70_000);
        expect(left.send(buffer, 0, 66_000, 66_000, toRight)).toBe(SendOutcome.tooBig);
        expect(left.stats.sendFailures).toBe(1);
        expect(left.send(buffer, 0, 64, 64, toRight)).toBe(SendOutcome.sent);
        expect(receiveDatagrams(right, 1)).toEqual([new Uint8Array(64)]);
      }),
    );

    it(
      "has nothing to receive when nothing was sent",
      withPair(({ left }) => {
        expect(left.receive(new ReceivedRun())).toBe(false);
        expect(left.stats.receivedDatagrams).toBe(0);
      }),
    );

    it(
      "does nothing any more once it is closed, however often",
      withPair(({ left, toRight }) => {
        left.close();
        left.close();
        expect(left.send(new PacketBuffer(64), 0, 64, 64, toRight)).toBe(SendOutcome.closed);
        expect(left.receive(new ReceivedRun())).toBe(false);
      }),
    );
  });
}
