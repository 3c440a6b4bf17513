import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeNatPmp, encodeNatPmpAddress, encodeNatPmpMap } from "../../../src/nat/port-mapping/nat-pmp.ts";
import { decodePcpMap, encodePcpMap } from "../../../src/nat/port-mapping/pcp.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const NONCE = bytesOf("000102030405060708090a0b");

describe("PCP MAP (RFC 6887 §7.1, §7.2, §11.1)", () => {
  it("a request over IPv4 has v4-mapped addresses, and zeros for no wish", () => {
    const request = { nonce: NONCE, clientAddress: "10.0.0.2", internalPort: 51820, external: undefined };
    expect(hex(encodePcpMap({ ...request, lifetimeSeconds: 7200 }))).toBe(
      "0201000000001c2000000000000000000000ffff0a000002" +
        "000102030405060708090a0b11000000ca6c000000000000000000000000ffff00000000",
    );
  });

  it("a request over IPv6 names what it would like to have", () => {
    const external = { address: "2001:db8::9", port: 4000 };
    const request = { nonce: NONCE, clientAddress: "2001:db8::2", internalPort: 1, lifetimeSeconds: 0 };
    expect(hex(encodePcpMap({ ...request, external }))).toBe(
      "020100000000000020010db8000000000000000000000002" +
        "000102030405060708090a0b1100000000010fa020010db8000000000000000000000009",
    );
    expect(hex(encodePcpMap({ ...request, external: undefined })).slice(-36)).toBe(`0000${"00".repeat(16)}`);
  });

  const ANSWER = bytesOf(`
    02810000 00000e10 0000002a 000000000000000000000000
    000102030405060708090a0b 11000000 ca6c0fa0 00000000000000000000ffffcb007105`);

  it("an answer tells result, lifetime and the external endpoint", () => {
    expect(decodePcpMap(ANSWER)).toEqual({
      result: 0,
      lifetimeSeconds: 3600,
      nonce: NONCE,
      internalPort: 51820,
      external: { address: "203.0.113.5", port: 4000 },
    });
    expect(decodePcpMap(ANSWER.with(3, 12))?.result).toBe(12);
    const ipv6 = ANSWER.with(44, 0x20).with(45, 1);
    expect(decodePcpMap(ipv6)?.external.address).toBe("2001::ffff:cb00:7105");
  });

  it("nothing else is an answer: request, other opcode, other protocol, other version, too short, too long", () => {
    const others = [
      ANSWER.with(1, 0x01),
      ANSWER.with(1, 0x82),
      ANSWER.with(36, 6),
      ANSWER.with(0, 1),
      ANSWER.subarray(0, 56),
      Uint8Array.from([...ANSWER, 0]),
      Uint8Array.from([...ANSWER, ...new Array(1100).fill(0)]),
    ];
    for (const bytes of others) expect(decodePcpMap(bytes)).toBeUndefined();
    // Options may follow (§7.3).
    expect(decodePcpMap(Uint8Array.from([...ANSWER, 2, 0, 0, 0]))?.result).toBe(0);
  });
});

describe("NAT-PMP (RFC 6886 §3.2, §3.3, §3.5)", () => {
  it("asks for the address and for a mapping", () => {
    expect(hex(encodeNatPmpAddress())).toBe("0000");
    const request = { internalPort: 51820, externalPort: 4000, lifetimeSeconds: 7200 };
    expect(hex(encodeNatPmpMap(request))).toBe("00010000ca6c0fa000001c20");
  });

  it("reads address, mapping and error", () => {
    expect(decodeNatPmp(bytesOf("00800000 0000002a cb007105"))).toEqual({ kind: "address", address: "203.0.113.5" });
    expect(decodeNatPmp(bytesOf("00810000 0000002a ca6c0fa0 00000e10"))).toEqual({
      kind: "mapping",
      internalPort: 51820,
      externalPort: 4000,
      lifetimeSeconds: 3600,
    });
    expect(decodeNatPmp(bytesOf("00810002 0000002a ca6c0000 00000000"))).toEqual({ kind: "error", result: 2 });
    expect(decodeNatPmp(bytesOf("00810001"))).toEqual({ kind: "error", result: 1 });
  });

  it.each(["", "0080", "008000", "00000000", "00820000 0000002a 00000000", "00800000 0000002a cb0071", "01800000"])(
    "%j is no answer",
    (text) => expect(decodeNatPmp(bytesOf(text))).toBeUndefined(),
  );
});

it("no datagram makes either throw", () => {
  const plausible = fc
    .tuple(
      fc.constantFrom(0, 1, 2),
      fc.constantFrom(1, 128, 129),
      fc.uint8Array({ minLength: 2, maxLength: 70 }).map((bytes) => [...bytes]),
    )
    .map(([version, opcode, rest]) => Uint8Array.from([version, opcode, ...rest]));
  fc.assert(
    fc.property(fc.oneof(plausible, fc.uint8Array({ maxLength: 80 })), (bytes) => {
      decodePcpMap(bytes);
      decodeNatPmp(bytes);
    }),
    { numRuns: 2_000 },
  );
});
