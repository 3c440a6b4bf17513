import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAttributes } from "../../../src/nat/stun/attributes.ts";
import {
  decodeBinding,
  encodeBindingRequest,
  encodeBindingSuccess,
  encodeUnknownAttributes,
} from "../../../src/nat/stun/message.ts";
import { formatAddress } from "../../../src/packet/address.ts";
import { REFLEXIVE_IPV4, REFLEXIVE_IPV6, REQUEST, RESPONSE_IPV4, RESPONSE_IPV6, TRANSACTION_ID } from "./rfc5769.ts";

const COOKIE = [0x21, 0x12, 0xa4, 0x42];
const u16 = (value: number): number[] => [value >> 8, value & 0xff];

/** A message as a stranger might make it: header and length are right, the rest is as given. */
function message(type: number, ...attributes: [type: number, value: number[]][]): Uint8Array {
  const body = attributes.flatMap(([attribute, value]) => [
    ...u16(attribute),
    ...u16(value.length),
    ...value,
    ...new Array<number>((4 - (value.length % 4)) % 4).fill(0x20),
  ]);
  const id = Buffer.from(TRANSACTION_ID, "hex");
  return Uint8Array.from([...u16(type), ...u16(body.length), ...COOKIE, ...id, ...body]);
}

const transactionIds = fc.uint8Array({ minLength: 12, maxLength: 12 }).map((id) => Buffer.from(id).toString("hex"));
const addresses = fc
  .oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    // Long runs of zeros: what text forms of IPv6 differ in.
    fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
  )
  .map(formatAddress)
  .filter((address) => !/^(0\.0\.0\.0|::|::ffff:.*\..*)$/.test(address));
const endpoints = fc.record({ address: addresses, port: fc.integer({ min: 1, max: 65535 }) });

describe("the sample messages of RFC 5769", () => {
  it("§2.1 is a request with an attribute that we do not know", () => {
    const expected = { kind: "request", transactionId: TRANSACTION_ID, hasFingerprint: true, unknownTypes: [0x0024] };
    expect(decodeBinding(REQUEST)).toEqual(expected);
  });

  it("§2.2 and §2.3 name an IPv4 and an IPv6 endpoint", () => {
    const success = { kind: "success", transactionId: TRANSACTION_ID };
    expect(decodeBinding(RESPONSE_IPV4)).toEqual({ ...success, reflexive: REFLEXIVE_IPV4 });
    expect(decodeBinding(RESPONSE_IPV6)).toEqual({ ...success, reflexive: REFLEXIVE_IPV6 });
  });

  it("are refused with any one bit of the header or of a value turned: FINGERPRINT (§14.7) covers them", () => {
    for (const sample of [REQUEST, RESPONSE_IPV4, RESPONSE_IPV6]) {
      // A turned type or size may hide the FINGERPRINT, and a message may be without one.
      const headers = new Set(
        readAttributes(sample)?.flatMap(({ offset }) => [0, 1, 2, 3].map((byte) => offset + byte)),
      );
      expect(headers.size).toBeGreaterThanOrEqual(4 * 4);
      for (const byte of sample.keys()) {
        if (headers.has(byte)) continue;
        for (let bit = 0; bit < 8; bit++) {
          expect(decodeBinding(sample.with(byte, sample[byte]! ^ (1 << bit)))).toBeUndefined();
        }
      }
    }
  });
});

describe("a Binding message of ours", () => {
  it("request: 20 bytes of header (RFC 8489 §5) and a FINGERPRINT", () => {
    const bytes = encodeBindingRequest(TRANSACTION_ID);
    expect(Buffer.from(bytes.subarray(0, 24)).toString("hex")).toBe(`000100082112a442${TRANSACTION_ID}80280004`);
    const expected = { kind: "request", transactionId: TRANSACTION_ID, hasFingerprint: true, unknownTypes: [] };
    expect(decodeBinding(bytes)).toEqual(expected);
    expect(bytes).toHaveLength(28);
  });

  it("success: XOR-MAPPED-ADDRESS as in §2.2 and §2.3 of RFC 5769", () => {
    const answerTo = { transactionId: TRANSACTION_ID, hasFingerprint: false };
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    const head = (sizeBytes: string) => `0101${sizeBytes}2112a442${TRANSACTION_ID}`;
    expect(hex(encodeBindingSuccess(answerTo, REFLEXIVE_IPV4))).toBe(`${head("000c")}002000080001a147e112a643`);
    expect(hex(encodeBindingSuccess(answerTo, REFLEXIVE_IPV6))).toBe(
      `${head("0018")}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9`,
    );
  });

  it("every endpoint and transaction id comes back, with and without FINGERPRINT", () => {
    fc.assert(
      fc.property(transactionIds, endpoints, fc.boolean(), (transactionId, reflexive, hasFingerprint) => {
        const bytes = encodeBindingSuccess({ transactionId, hasFingerprint }, reflexive);
        expect(decodeBinding(bytes)).toEqual({ kind: "success", transactionId, reflexive });
      }),
    );
  });

  it("error 420 (§6.3.1, §14.8, §14.9) names what was not understood", () => {
    const bytes = encodeUnknownAttributes({ transactionId: TRANSACTION_ID, hasFingerprint: true }, [0x0003, 0x0024]);
    expect(decodeBinding(bytes)).toEqual({ kind: "error", transactionId: TRANSACTION_ID, code: 420 });
    expect(Buffer.from(bytes).toString("hex")).toContain("000a000400030024");
  });
});

describe("an answer of another server", () => {
  const mapped = [0x00, 0x01, 0x80, 0x55, 192, 0, 2, 1];
  const xorMapped = [0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
  const reflexiveOf = (bytes: Uint8Array) => {
    const answer = decodeBinding(bytes);
    return answer?.kind === "success" ? answer.reflexive : undefined;
  };

  it("may say MAPPED-ADDRESS alone, beside what RFC 3489 adds to it", () => {
    const source = [0, 1, 0x0d, 0x96, 198, 51, 100, 1];
    expect(reflexiveOf(message(0x0101, [0x0001, mapped], [0x0004, source], [0x0005, source]))).toEqual(REFLEXIVE_IPV4);
  });

  it("XOR-MAPPED-ADDRESS is believed before MAPPED-ADDRESS, which a router on the way may have rewritten", () => {
    const rewritten = [0x00, 0x01, 0x80, 0x55, 10, 0, 0, 9];
    expect(reflexiveOf(message(0x0101, [0x0001, rewritten], [0x0020, xorMapped]))).toEqual(REFLEXIVE_IPV4);
  });

  it("may have optional attributes of any content, and the credentials of a server that signs", () => {
    const strange: [number, number[]][] = [
      [0x8022, []],
      [0x802b, [1, 2, 3]],
      [0x802c, [0, 9, 9]],
      [0xffff, [1]],
      [0x0008, new Array(20).fill(7)],
    ];
    expect(reflexiveOf(message(0x0101, ...strange, [0x0020, xorMapped]))).toEqual(REFLEXIVE_IPV4);
  });

  it("a v4-mapped address is an IPv4 address", () => {
    const value = [0, 2, 0x80, 0x55, ...new Array(10).fill(0), 0xff, 0xff, 192, 0, 2, 1];
    expect(reflexiveOf(message(0x0101, [0x0001, value]))).toEqual(REFLEXIVE_IPV4);
  });

  it.each<[string, Uint8Array]>([
    ["no address", message(0x0101)],
    ["an attribute that must be understood and is not", message(0x0101, [0x0020, xorMapped], [0x7fff, []])],
    ["an address of an unknown family", message(0x0101, [0x0020, [0, 3, ...xorMapped.slice(2)]])],
    ["an IPv6 address of 4 bytes", message(0x0101, [0x0020, [0, 2, ...xorMapped.slice(2)]])],
    ["an IPv4 address of 16 bytes", message(0x0101, [0x0020, [...xorMapped, ...new Array(12).fill(1)]])],
    ["an address that is empty", message(0x0101, [0x0020, []])],
    ["port 0", message(0x0101, [0x0020, [0, 1, 0x21, 0x12, ...xorMapped.slice(4)]])],
    ["no real address", message(0x0101, [0x0001, [0, 1, 0x80, 0x55, 0, 0, 0, 0]])],
    ["an error without its code", message(0x0111)],
    ["an error code out of range", message(0x0111, [0x0009, [0, 0, 7, 100]])],
    ["an indication", message(0x0011)],
    ["another method", message(0x0003)],
    ["a length that is not the datagram's", Uint8Array.from([...message(0x0001), 0, 0, 0, 0])],
    ["an attribute that ends after the message", message(0x0001, [0x8022, [1, 2, 3, 4]]).subarray(0, 24)],
    ["no magic cookie", message(0x0001).with(4, 0x20)],
    ["a FINGERPRINT that is not last", message(0x0001, [0x8028, [0, 0, 0, 0]], [0x8022, []])],
    ["a first bit that is no STUN", message(0x0001).with(0, 0x80)],
    ["half a header", message(0x0001).subarray(0, 16)],
    ["nothing at all", new Uint8Array(0)],
  ])("%s: not taken", (_what, bytes) => {
    expect(decodeBinding(bytes)).toBeUndefined();
  });

  it("is never the cause of a throw, whatever it holds", () => {
    const attribute = fc.tuple(
      fc.oneof(fc.constantFrom(0x0001, 0x0009, 0x000a, 0x0020, 0x8022, 0x8028), fc.nat(0xffff)),
      fc.array(fc.nat(0xff), { maxLength: 24 }),
    );
    const plausible = fc
      .tuple(fc.constantFrom(0x0001, 0x0101, 0x0111, 0x0011), fc.array(attribute, { maxLength: 5 }))
      .map(([type, attributes]) => message(type, ...attributes));
    const damaged = fc
      .tuple(fc.constantFrom(REQUEST, RESPONSE_IPV4, RESPONSE_IPV6), fc.nat(), fc.nat(0xff), fc.nat(92))
      .map(([sample, at, value, size]) => sample.with(at % sample.length, value).subarray(0, size));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), plausible, damaged), (bytes) => {
        const before = Uint8Array.from(bytes);
        decodeBinding(bytes);
        expect(bytes).toEqual(before);
      }),
      { numRuns: 2_000 },
    );
  });
});
