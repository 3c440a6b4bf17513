import { describe, expect, it } from "vitest";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { MemoryTun } from "../../../src/tun/memory-tun.ts";

describe("TUN device in memory", () => {
  it("hands over injected frames in order, then nothing", () => {
    const tun = new MemoryTun();
    const buffer = new PacketBuffer(64);
    tun.inject(Uint8Array.of(1, ...new Array(9).fill(0), 0x45));
    tun.injectPacket(Uint8Array.of(0x60, 7));
    expect(tun.readFrame(buffer, 6)).toBe(11);
    expect([buffer.bytes[6], buffer.bytes[16]]).toEqual([1, 0x45]);
    expect(tun.readFrame(buffer, 6)).toBe(12);
    expect([...buffer.bytes.subarray(6, 18)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 7]);
    expect(tun.readFrame(buffer, 6)).toBe(0);
  });

  it("gathers the pieces of a frame, and keeps a copy", () => {
    const tun = new MemoryTun();
    const buffer = new PacketBuffer(16);
    buffer.bytes.set([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(tun.writeFrame(buffer, Int32Array.of(1, 2, 6, 2, 9, 9), 2)).toBe(true);
    buffer.bytes.fill(0);
    expect(tun.takeWritten().map((frame) => [...frame])).toEqual([[1, 2, 6, 7]]);
    expect(tun.written).toEqual([]);
  });

  it("refuses frames while told to, and once closed", () => {
    const tun = new MemoryTun();
    const buffer = new PacketBuffer(16);
    tun.isRefusing = true;
    expect(tun.writeFrame(buffer, Int32Array.of(0, 16), 1)).toBe(false);
    tun.isRefusing = false;
    tun.injectPacket(Uint8Array.of(0x45));
    tun.close();
    tun.close();
    expect(tun.writeFrame(buffer, Int32Array.of(0, 16), 1)).toBe(false);
    expect(tun.readFrame(buffer, 0)).toBe(0);
    expect(tun.written).toEqual([]);
  });
});
