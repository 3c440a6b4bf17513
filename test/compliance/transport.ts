import { describe, expect, it, vi } from "vitest";
import { PacketBuffer } from "../../src/packet/packet-buffer.ts";
import { type DatagramTransport, ReceivedRun, SendOutcome } from "../../src/transports/datagram-transport.ts";
import { soon } from "../support/soon.ts";
import type { TransportPair } from "../support/transport-pairs.ts";

vi.setConfig({ testTimeout: 30_000 });

/** All datagrams that are waiting. */
function takeDatagrams(transport: DatagramTransport, run: ReceivedRun): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  while (transport.receive(run)) {
    const end = run.offset + run.totalBytes;
    for (let at = run.offset; at < end; at += run.strideBytes)
      datagrams.push(Uint8Array.from(run.buffer.bytes.subarray(at, Math.min(at + run.strideBytes, end))));
  }
  return datagrams;
}

/** The datagrams that arrive, once there are `count`. */
export async function receiveDatagrams(
  transport: DatagramTransport,
  count: number,
  run = new ReceivedRun(),
): Promise<Uint8Array[]> {
  const datagrams: Uint8Array[] = [];
  await soon(() => {
    datagrams.push(...takeDatagrams(transport, run));
    expect(datagrams.length).toBeGreaterThanOrEqual(count);
  });
  return datagrams;
}

/** A buffer of `count` datagrams of `strideBytes`, the last of `lastBytes`, each filled with its number. */
function numbered(count: number, strideBytes: number, lastBytes = strideBytes) {
  const totalBytes = (count - 1) * strideBytes + lastBytes;
  const buffer = new PacketBuffer((totalBytes + 3) & ~3);
  for (let i = 0; i < count; i++)
    buffer.bytes.fill(i + 1, i * strideBytes, Math.min((i + 1) * strideBytes, totalBytes));
  const expected = Array.from({ length: count }, (_, i) =>
    new Uint8Array(i === count - 1 ? lastBytes : strideBytes).fill(i + 1),
  );
  return { buffer, totalBytes, expected };
}

/** Order is not promised: datagrams are compared by their first byte. */
function byFirstByte(datagrams: Uint8Array[]): Uint8Array[] {
  return datagrams.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
}

/** What every transport holds to, as the data thread has it. A new one is added to `transport.test.ts`. */
export function transportSuite(name: string, open: () => Promise<TransportPair>): void {
  const withPair = (test: (pair: TransportPair) => Promise<void>) => async () => {
    const pair = await open();
    try {
      await test(pair);
    } finally {
      await pair.close();
    }
  };

  /** Sends until something arrives: what was lost meanwhile is not sent again by anybody else. */
  const reaches = async ({ left, right, toRight }: TransportPair, mark: number) => {
    const [datagram, run] = [numbered(1, 64).buffer, new ReceivedRun()];
    datagram.bytes.fill(mark);
    await soon(() => {
      left.send(datagram, 0, 64, 64, toRight);
      expect(takeDatagrams(right, run)).toContainEqual(new Uint8Array(64).fill(mark));
    });
  };

  describe(`${name} as a transport`, () => {
    it(
      "delivers datagrams of every size whole, both ways, and says who sent them",
      withPair(async ({ left, right, toLeft, toRight }) => {
        for (const [i, sizeBytes] of [1, 32, 92, 148, 1452, 1500, 9000].entries()) {
          const { buffer, totalBytes, expected } = numbered(1, sizeBytes);
          const ways = [
            { from: left, to: right, destination: toRight, source: toLeft },
            { from: right, to: left, destination: toLeft, source: toRight },
          ];
          for (const { from, to, destination, source } of ways) {
            expect(from.send(buffer, 0, totalBytes, totalBytes, destination)).toBe(SendOutcome.sent);
            const run = new ReceivedRun();
            expect(await receiveDatagrams(to, 1, run)).toEqual(expected);
            expect(run.source.isSameRemote(source)).toBe(true);
            expect(run.source.toEndpoint()).toEqual(source.toEndpoint());
            expect(to.stats.receivedDatagrams).toBe(i + 1);
          }
        }
      }),
    );

    it(
      "answers to where a datagram came from",
      withPair(async ({ left, right, toRight }) => {
        const { buffer, totalBytes, expected } = numbered(1, 92);
        left.send(buffer, 0, totalBytes, totalBytes, toRight);
        const run = new ReceivedRun();
        await receiveDatagrams(right, 1, run);
        expect(right.send(buffer, 0, totalBytes, totalBytes, run.source)).toBe(SendOutcome.sent);
        expect(await receiveDatagrams(left, 1)).toEqual(expected);
      }),
    );

    it.each([
      { count: 44, strideBytes: 1452, lastBytes: 1452 },
      { count: 64, strideBytes: 96, lastBytes: 48 },
      { count: 2, strideBytes: 33, lastBytes: 32 },
      { count: 3, strideBytes: 1000, lastBytes: 1 },
    ])("cuts a row of $count datagrams of $strideBytes bytes, the last of $lastBytes, and counts them", (row) =>
      withPair(async ({ left, right, toRight }) => {
        const { buffer, totalBytes, expected } = numbered(row.count, row.strideBytes, row.lastBytes);
        expect(left.send(buffer, 0, totalBytes, row.strideBytes, toRight)).toBe(SendOutcome.sent);
        expect(byFirstByte(await receiveDatagrams(right, row.count))).toEqual(expected);
        expect(left.stats).toMatchObject({ sentDatagrams: row.count, sentBytes: totalBytes, sendFailures: 0 });
        expect(right.stats).toMatchObject({
          receivedDatagrams: row.count,
          receivedBytes: totalBytes,
          receiveFailures: 0,
        });
      })(),
    );

    it(
      "sends from the middle of a buffer and receives to the middle of one",
      withPair(async ({ left, right, toRight }) => {
        const buffer = new PacketBuffer(4096);
        buffer.bytes.fill(7, 1000, 1128);
        left.send(buffer, 1000, 128, 128, toRight);
        const run = new ReceivedRun(new PacketBuffer(65_536 + 64), 64);
        expect(await receiveDatagrams(right, 1, run)).toEqual([new Uint8Array(128).fill(7)]);
        expect(run.offset).toBe(64);
      }),
    );

    it(
      "has done with the buffer when it returns",
      withPair(async ({ left, right, toRight }) => {
        const buffer = new PacketBuffer(64);
        for (let i = 0; i < 50; i++) {
          buffer.bytes.fill(i);
          left.send(buffer, 0, 64, 64, toRight);
        }
        const arrived = byFirstByte(await receiveDatagrams(right, 50));
        expect(arrived).toEqual(Array.from({ length: 50 }, (_, i) => new Uint8Array(64).fill(i)));
      }),
    );

    it(
      "refuses a datagram that is too large, counts it, and goes on",
      withPair(async ({ left, right, toRight }) => {
        const buffer = new PacketBuffer(70_000);
        expect(left.send(buffer, 0, 66_000, 66_000, toRight)).toBe(SendOutcome.tooBig);
        expect(left.stats.sendFailures).toBe(1);
        expect(left.send(buffer, 0, 64, 64, toRight)).toBe(SendOutcome.sent);
        expect(await receiveDatagrams(right, 1)).toEqual([new Uint8Array(64)]);
      }),
    );

    it(
      "never blocks: what is too much for it is dropped, each datagram counts as sent or failed, and it goes on",
      withPair(async (pair) => {
        const { left, right, toRight } = pair;
        const [ROWS, PER_ROW] = [1000, 44];
        const { buffer, totalBytes } = numbered(PER_ROW, 1452);
        for (let i = 0; i < ROWS; i++) left.send(buffer, 0, totalBytes, 1452, toRight);
        expect(left.stats.sentDatagrams + left.stats.sendFailures).toBe(ROWS * PER_ROW);
        await reaches(pair, 0xff);
        expect(right.stats.receivedDatagrams).toBeGreaterThan(0);
        expect(right.stats.receivedDatagrams).toBeLessThan(ROWS * PER_ROW);
      }),
    );

    it.each([
      { what: "its connection breaks", interrupt: (pair: TransportPair) => pair.breakOff() },
      { what: "the other end is gone without a word", interrupt: (pair: TransportPair) => pair.goSilent() },
    ])("takes datagrams still when $what, and delivers again when there is a way again", ({ interrupt }) =>
      withPair(async (pair) => {
        const { left, toRight } = pair;
        await reaches(pair, 1);
        interrupt(pair);
        const { buffer, totalBytes } = numbered(10, 1452);
        for (let i = 0; i < 100; i++) expect(() => left.send(buffer, 0, totalBytes, 1452, toRight)).not.toThrow();
        pair.comeBack();
        await reaches(pair, 2);
      })(),
    );

    it(
      "has nothing to receive when nothing was sent",
      withPair(async ({ left }) => {
        expect(left.receive(new ReceivedRun())).toBe(false);
        expect(left.stats.receivedDatagrams).toBe(0);
      }),
    );

    it(
      "does nothing any more once it is closed, however often",
      withPair(async ({ left, toRight }) => {
        left.close();
        left.close();
        expect(left.send(new PacketBuffer(64), 0, 64, 64, toRight)).toBe(SendOutcome.closed);
        expect(left.receive(new ReceivedRun())).toBe(false);
      }),
    );
  });
}
