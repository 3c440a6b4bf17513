import { describe, expect, it } from "vitest";
import { parseAddress } from "../../../src/packet/address.ts";
import { buildIcmpError, type IcmpErrorKind, MAX_ICMP_ERROR_BYTES } from "../../../src/packet/icmp.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { buildPacket, bytesOf, checksumsAreGood, completeChecksums, type PacketSpec, UDP } from "./wire.ts";

const router = { 4: parseAddress("10.86.0.1"), 6: parseAddress("fd00:86::1") };

function answer(packet: Uint8Array, kind: IcmpErrorKind, mtuBytes?: number): Uint8Array | undefined {
  const source = new PacketBuffer((packet.length + 7) & -4);
  source.bytes.set(packet, 2);
  const record = new PacketRecord();
  expect(parsePacket(source, 2, packet.length, record)).toBe(true);
  const target = new PacketBuffer(MAX_ICMP_ERROR_BYTES + 8);
  target.bytes.fill(0xa5);
  const length = buildIcmpError(target, 5, source, record, kind, router[record.version as 4 | 6], mtuBytes);
  expect(target.bytes.subarray(0, 5).every((byte) => byte === 0xa5)).toBe(true);
  expect(target.bytes.subarray(5 + length).every((byte) => byte === 0xa5)).toBe(true);
  return length === 0 ? undefined : Uint8Array.from(target.bytes.subarray(5, 5 + length));
}

function datagram(spec: Partial<PacketSpec> & { version: 4 | 6 }, payloadBytes = 20): Uint8Array {
  return buildPacket({ protocol: UDP, payload: bytesOf(payloadBytes), ...spec });
}

/** A datagram turned into an ICMP message of this type. */
function icmpMessage(version: 4 | 6, type: number): Uint8Array {
  const packet = datagram({ version });
  packet[version === 4 ? 9 : 6] = version === 4 ? 1 : 58;
  packet[version === 4 ? 20 : 40] = type;
  return version === 4 ? packet : completeChecksums(packet);
}

describe("ICMP errors", () => {
  it.each([
    ["no-route", [3, 0], [1, 0]],
    ["prohibited", [3, 13], [1, 1]],
    ["host-unreachable", [3, 1], [1, 3]],
    ["port-unreachable", [3, 3], [1, 4]],
    ["too-big", [3, 4], [2, 0]],
    ["time-exceeded", [11, 0], [3, 0]],
  ] as [IcmpErrorKind, number[], number[]][])("says %s", (kind, v4, v6) => {
    for (const version of [4, 6] as const) {
      const packet = datagram({ version });
      const error = answer(packet, kind, 1280)!;
      const header = version === 4 ? 20 : 40;
      expect(checksumsAreGood(error)).toBe(true);
      expect([...error.subarray(header, header + 2)]).toEqual(version === 4 ? v4 : v6);
      expect([...error.subarray(header + 4, header + 8)]).toEqual(kind === "too-big" ? [0, 0, 5, 0] : [0, 0, 0, 0]);
      expect(Buffer.compare(error.subarray(header + 8), packet)).toBe(0);
      const [source, destination, end] = version === 4 ? [12, 16, 20] : [8, 24, 40];
      expect(Buffer.compare(error.subarray(source, destination), router[version])).toBe(0);
      expect(Buffer.compare(error.subarray(destination, end), packet.subarray(source, destination))).toBe(0);
      const record = new PacketRecord();
      const buffer = new PacketBuffer((error.length + 3) & -4);
      buffer.bytes.set(error);
      expect(parsePacket(buffer, 0, error.length, record)).toBe(true);
      expect(record.totalBytes).toBe(error.length);
    }
  });

  it("quotes as much as fits 576 bytes, or 1,280", () => {
    for (const length of [1399, 1400]) {
      for (const [version, maxBytes] of [
        [4, 576],
        [6, 1280],
      ] as const) {
        const error = answer(datagram({ version }, length), "too-big", 1300)!;
        expect(error.length).toBe(maxBytes);
        expect(checksumsAreGood(error)).toBe(true);
      }
    }
  });

  it("never answers an ICMP error or a redirect, but does a query", () => {
    for (const type of [3, 4, 5, 11, 12]) expect(answer(icmpMessage(4, type), "no-route")).toBeUndefined();
    for (const type of [1, 2, 3, 4, 100, 137]) expect(answer(icmpMessage(6, type), "no-route")).toBeUndefined();
    for (const type of [0, 8, 13]) expect(answer(icmpMessage(4, type), "no-route")).toBeDefined();
    for (const type of [128, 129]) expect(answer(icmpMessage(6, type), "no-route")).toBeDefined();
  });

  it("never answers a later fragment, but does the first", () => {
    const packet = datagram({ version: 4 });
    packet.set([0, 1], 6);
    expect(answer(packet, "too-big", 1300)).toBeUndefined();
    packet.set([0x20, 0], 6);
    expect(answer(packet, "too-big", 1300)).toBeDefined();
  });

  it.each(["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "ff02::1"])(
    "never answers to %s",
    (source) => {
      const address = parseAddress(source);
      expect(answer(datagram({ version: address.length === 4 ? 4 : 6, source: address }), "no-route")).toBeUndefined();
    },
  );

  it.each(["224.0.0.251", "255.255.255.255", "ff02::fb"])("never answers what went to %s", (destination) => {
    const address = parseAddress(destination);
    const version = address.length === 4 ? 4 : 6;
    expect(answer(datagram({ version, destination: address }), "no-route")).toBeUndefined();
  });

  it("tells IPv6 multicast senders alone that their packet is too big", () => {
    expect(answer(datagram({ version: 6, destination: parseAddress("ff0e::1") }), "too-big", 1300)).toBeDefined();
    expect(answer(datagram({ version: 4, destination: parseAddress("224.0.0.1") }), "too-big", 1300)).toBeUndefined();
  });
});
