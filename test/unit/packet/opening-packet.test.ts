import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IcmpKind, icmpKind } from "../../../src/packet/icmp-types.ts";
import { openingPacket } from "../../../src/packet/opening-packet.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { IpProtocol, PacketRecord, TcpFlag } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";

describe("the packet that opens a connection", () => {
  it.each([4, 16] as const)("is what it is to be, with addresses of %d bytes", (length) => {
    const bytes = fc.uint8Array({ minLength: length, maxLength: length });
    const protocol = fc.constantFrom("tcp", "udp", "icmp");
    fc.assert(
      fc.property(protocol, bytes, bytes, fc.integer({ min: 1, max: 65_535 }), (name, source, destination, port) => {
        const packet = openingPacket(name, source, destination, port);
        const buffer = new PacketBuffer(128);
        buffer.bytes.set(packet);
        const record = new PacketRecord();
        expect(parsePacket(buffer, 0, packet.length, record)).toBe(true);
        const { sourceOffset, destinationOffset } = record;
        expect(Uint8Array.from(buffer.bytes.subarray(sourceOffset, sourceOffset + length))).toEqual(source);
        expect(Uint8Array.from(buffer.bytes.subarray(destinationOffset, destinationOffset + length))).toEqual(
          destination,
        );
        expect([record.hasTransport, record.isFragment, record.hasIpOptions]).toEqual([true, false, false]);
        expect(record.destinationPort).toBe(name === "icmp" ? 0 : port);
        expect(record.tcpFlags).toBe(name === "tcp" ? TcpFlag.syn : 0);
        if (name === "icmp") expect(icmpKind(record)).toBe(IcmpKind.echoRequest);
        else expect(record.protocol).toBe(IpProtocol[name]);
      }),
    );
  });
});
