import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_RUN_PACKET_BYTES, MessageRun } from "../../../src/packet/message-run.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";

describe("run of data messages", () => {
  it("lays messages out at one stride, only the last shorter, within all bounds", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 20, max: 1420 }), { maxLength: 100 }),
        fc.integer({ min: 1280, max: 1500 }),
        fc.constantFrom(0, 64),
        (sizes, mtuBytes, offset) => {
          const run = new MessageRun(mtuBytes, { offset });
          run.buffer.bytes.fill(0xa5);
          let end = offset;
          for (const size of sizes) {
            const before = { count: run.count, totalBytes: run.totalBytes, lastBytes: run.lastBytes };
            const at = run.reserve(size);
            if (at < 0) {
              expect(run).toMatchObject(before);
              run.reset();
              end = offset;
              continue;
            }
            expect(at).toBe(end + 16);
            const plaintextBytes = run.lastBytes - 32;
            expect(plaintextBytes).toBe(Math.max(size, Math.min(mtuBytes, Math.ceil(size / 16) * 16)));
            expect(run.buffer.bytes.subarray(at + size, at + plaintextBytes).every((byte) => byte === 0)).toBe(true);
            expect(at - 16 - offset).toBe((run.count - 1) * run.strideBytes);
            expect(run.lastBytes).toBeLessThanOrEqual(run.strideBytes);
            expect(run.count).toBeLessThanOrEqual(64);
            end += run.lastBytes;
            expect(run.totalBytes).toBe(end - offset);
            expect(run.totalBytes).toBeLessThanOrEqual(65_000);
          }
        },
      ),
    );
  });

  it("takes nothing behind a shorter message, nothing longer than the stride, nothing beyond the limits", () => {
    const run = new MessageRun(1420);
    expect([run.reserve(1000), run.reserve(900), run.reserve(900)]).toEqual([16, 1056, -1]);
    run.reset();
    expect([run.reserve(900), run.reserve(1000)]).toEqual([16, -1]);
    run.reset();
    const few = new MessageRun(1420, { maxSegments: 2 });
    expect([few.reserve(20), few.reserve(20), few.reserve(20)]).toEqual([16, 80, -1]);
    const small = new MessageRun(1420, { capacityBytes: 127 });
    expect([small.reserve(20), small.reserve(20)]).toEqual([16, -1]);
  });

  it("says at once that a packet fits no run at all", () => {
    expect(new MessageRun(MAX_RUN_PACKET_BYTES).reserve(MAX_RUN_PACKET_BYTES)).toBe(16);
    expect(() => new MessageRun(1420).reserve(MAX_RUN_PACKET_BYTES + 1)).toThrowError(RangeError);
    const buffer = new PacketBuffer(128);
    expect(() => new MessageRun(1420, { buffer, offset: 64 }).reserve(40)).toThrowError(RangeError);
  });

  it("writes type and receiver index to every header and nothing else", () => {
    const run = new MessageRun(1420, { offset: 8 });
    for (const size of [40, 40, 20]) run.reserve(size);
    run.writeHeaders(0xdead_beef);
    const expected = new Uint8Array(run.buffer.sizeBytes);
    for (const at of [8, 88, 168]) expected.set([4, 0, 0, 0, 0xef, 0xbe, 0xad, 0xde], at);
    expect(Buffer.compare(run.buffer.bytes, expected)).toBe(0);
  });
});
