import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { packetSpec } from "../tun/arbitraries.ts";
import { buildPacket, bytesOf, TCP, transportOffsetOf, UDP } from "./wire.ts";

function parse(packet: Uint8Array, length = packet.length, offset = 3): PacketRecord {
  const buffer = new PacketBuffer((offset + packet.length + 3) & -4);
  buffer.bytes.set(packet, offset);
  const record = new PacketRecord();
  expect(parsePacket(buffer, offset, length, record)).toBe(record.failure === "none");
  return record;
}

function v6(nextHeader: number, body: readonly number[]): Uint8Array {
  const addresses = bytesOf(32);
  return Uint8Array.from([0x60, 0, 0, 0, body.length >> 8, body.length & 0xff, nextHeader, 64, ...addresses, ...body]);
}

const udp = [0, 7, 0, 9, 0, 8, 0, 0];

describe("parsing packets", () => {
  it("finds every field, whatever the family", () => {
    fc.assert(
      fc.property(packetSpec, fc.nat(2000), fc.nat(40), (spec, payloadBytes, paddingBytes) => {
        const packet = buildPacket({ ...spec, payload: bytesOf(payloadBytes) });
        const record = parse(Uint8Array.from([...packet, ...bytesOf(paddingBytes)]));
        const transport = transportOffsetOf(packet);
        const isV4 = spec.version === 4;
        const isTcp = spec.protocol === TCP;
        expect(record).toMatchObject({
          failure: "none",
          version: spec.version,
          offset: 3,
          totalBytes: packet.length,
          ipHeaderBytes: transport,
          hasIpOptions: spec.ipOptionsBytes !== 0,
          sourceOffset: 3 + (isV4 ? 12 : 8),
          destinationOffset: 3 + (isV4 ? 16 : 24),
          addressBytes: isV4 ? 4 : 16,
          trafficClass: spec.trafficClass,
          hopLimit: spec.hopLimit,
          flowLabel: isV4 ? 0 : spec.flowLabel,
          identification: isV4 ? spec.identification : 0,
          dontFragment: isV4 ? spec.dontFragment : true,
          isFragment: false,
          protocol: spec.protocol,
          transportOffset: 3 + transport,
          hasTransport: true,
          payloadBytes,
          payloadOffset: 3 + packet.length - payloadBytes,
          sourcePort: spec.sourcePort,
          destinationPort: spec.destinationPort,
          tcpFlags: isTcp ? spec.tcpFlags : 0,
          sequence: isTcp ? spec.sequence : 0,
          acknowledgement: isTcp ? spec.acknowledgement : 0,
        });
      }),
    );
  });

  it("refuses every truncation", () => {
    for (const version of [4, 6] as const) {
      for (const protocol of [TCP, UDP] as const) {
        const packet = buildPacket({ version, protocol, payload: bytesOf(5), ipOptionsBytes: 8 });
        for (let length = 0; length < packet.length; length++) expect(parse(packet, length).failure).not.toBe("none");
      }
    }
  });

  it("never throws, and never claims a byte outside of what it was given", () => {
    const mutated = fc
      .tuple(packetSpec, fc.nat(60), fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 8 }))
      .map(([spec, payloadBytes, patches]) => {
        const packet = buildPacket({ ...spec, payload: bytesOf(payloadBytes) });
        for (const [at, value] of patches) if (at < packet.length) packet[at] = value;
        return packet;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), fc.nat(200), (packet, length) => {
        const record = parse(packet, Math.min(length, packet.length));
        if (record.failure !== "none") return;
        expect(record.totalBytes).toBeLessThanOrEqual(Math.min(length, packet.length));
        expect(record.payloadOffset + record.payloadBytes).toBeLessThanOrEqual(3 + record.totalBytes);
        expect(record.payloadBytes).toBeGreaterThanOrEqual(0);
        expect(record.transportOffset).toBeLessThanOrEqual(record.payloadOffset);
        expect(record.destinationOffset + record.addressBytes).toBeLessThanOrEqual(record.transportOffset);
      }),
      { numRuns: 2000 },
    );
  });

  it("reads nothing where nothing is, or where the memory ends", () => {
    const record = new PacketRecord();
    const buffer = new PacketBuffer(16);
    for (const [offset, length] of [
      [0, 0],
      [0, 17],
      [16, 1],
      [-4, 4],
      [0, -1],
    ] as const) {
      expect(parsePacket(buffer, offset, length, record)).toBe(false);
      expect(record.failure).toBe("empty");
    }
  });

  it.each([
    ["another version", Uint8Array.of(0x50, ...bytesOf(60)), "bad-version"],
    ["an IPv4 header length below 20", Uint8Array.of(0x44, 0, 0, 40, ...bytesOf(36)), "bad-ip-length"],
    ["an IPv4 total length within the header", Uint8Array.of(0x45, 0, 0, 19, ...bytesOf(36)), "bad-ip-length"],
    ["an IPv6 jumbogram", v6(0, [17, 0, 0xc2, 4, 0, 1, 0, 0, ...udp]).fill(0, 4, 6), "truncated-extension"],
    [
      "an extension header beyond the end",
      v6(60, [17, 1, 1, 4, 0, 0, 0, 0, ...udp.slice(0, 4)]),
      "truncated-extension",
    ],
    ["a TCP header length below 20", v6(6, [...bytesOf(12), 0x40, ...bytesOf(20)]), "bad-transport-length"],
    ["a TCP header beyond the end", v6(6, [...bytesOf(12), 0xf0, ...bytesOf(20)]), "bad-transport-length"],
    ["a UDP length beyond the end", v6(17, [0, 7, 0, 9, 0, 9, 0, 0]), "bad-transport-length"],
    ["a UDP length below 8", v6(17, [0, 7, 0, 9, 0, 7, 0, 0]), "bad-transport-length"],
    ["half an ICMP header", v6(58, [128, 0, 0, 0]), "truncated-transport"],
  ])("refuses %s", (_name, packet, failure) => {
    expect(parse(packet).failure).toBe(failure);
  });

  it("walks extension headers, but not forever", () => {
    const hop = (next: number) => [next, 0, 1, 4, 0, 0, 0, 0];
    const chain = (count: number) =>
      v6(60, [...Array.from({ length: count }, (_, i) => hop(i === count - 1 ? 17 : 60)).flat(), ...udp]);
    expect(parse(chain(8))).toMatchObject({ failure: "none", protocol: 17, destinationPort: 9, ipHeaderBytes: 104 });
    expect(parse(chain(9)).failure).toBe("too-many-extensions");
    const authentication = [17, 4, 0, 0, ...bytesOf(20)];
    expect(parse(v6(51, [...authentication, ...udp]))).toMatchObject({
      protocol: 17,
      ipHeaderBytes: 64,
      sourcePort: 7,
    });
  });

  it("stops at what it cannot look into", () => {
    expect(parse(v6(50, [...bytesOf(24)]))).toMatchObject({ failure: "none", protocol: 50, hasTransport: false });
    expect(parse(v6(59, []))).toMatchObject({ failure: "none", protocol: 59, hasTransport: false, payloadBytes: 0 });
  });

  it("tells fragments in both families", () => {
    const fragment = (offset: number, more: number) => [
      17,
      0,
      (offset * 8) >> 8,
      ((offset * 8) & 0xf8) | more,
      0,
      0,
      1,
      2,
    ];
    expect(parse(v6(44, [...fragment(0, 1), ...udp]))).toMatchObject({
      isFragment: true,
      fragmentOffset: 0,
      moreFragments: true,
      identification: 258,
      hasTransport: true,
      sourcePort: 7,
    });
    expect(parse(v6(44, [...fragment(3, 0), ...udp]))).toMatchObject({
      isFragment: true,
      fragmentOffset: 24,
      moreFragments: false,
      protocol: 17,
      hasTransport: false,
      sourcePort: 0,
      payloadBytes: 8,
    });
    expect(parse(v6(44, [...fragment(0, 0), ...udp]))).toMatchObject({
      isFragment: false,
      hasTransport: true,
      sourcePort: 7,
    });

    const v4 = buildPacket({ version: 4, protocol: UDP, payload: bytesOf(16), dontFragment: false });
    v4.set([0x20, 0], 6);
    expect(parse(v4)).toMatchObject({ isFragment: true, fragmentOffset: 0, moreFragments: true, sourcePort: 1000 });
    v4.set([0x00, 0x02], 6);
    expect(parse(v4)).toMatchObject({
      isFragment: true,
      fragmentOffset: 16,
      moreFragments: false,
      hasTransport: false,
      sourcePort: 0,
    });
    v4.set([0x1f, 0xff], 6);
    expect(parse(v4).failure).toBe("bad-fragment");
  });

  it("lets the UDP length of a first fragment reach beyond it", () => {
    const v4 = buildPacket({ version: 4, protocol: UDP, payload: bytesOf(16), dontFragment: false });
    v4.set([0x20, 0], 6);
    v4.set([0xff, 0], 24);
    expect(parse(v4).failure).toBe("none");
  });

  it("reads type, code and identifier of ICMP, in its own family only", () => {
    const icmp = [128, 3, 0, 0, 0x12, 0x34, 0, 1];
    expect(parse(v6(58, icmp))).toMatchObject({ hasTransport: true, icmpType: 128, icmpCode: 3, icmpId: 0x1234 });
    expect(parse(v6(1, icmp))).toMatchObject({ hasTransport: false, icmpType: 0 });
  });
});
