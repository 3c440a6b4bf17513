import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBinding, encodeBindingRequest, encodeBindingSuccess } from "../../../src/nat/stun/message.ts";
import { StunResponder } from "../../../src/nat/stun/stun-responder.ts";
import { REQUEST, TRANSACTION_ID } from "./rfc5769.ts";

const SOURCE = { address: "203.0.113.5", port: 40_000 };
const BARE_REQUEST = Uint8Array.from(Buffer.from(`000100002112a442${TRANSACTION_ID}`, "hex"));

function answer(responder: StunResponder, bytes: Uint8Array, source = SOURCE, nowMs = 0) {
  const answered = responder.respond(bytes, source, nowMs);
  return answered === undefined ? undefined : decodeBinding(answered);
}

describe("the STUN responder (RFC 8489 §6.3.1)", () => {
  it("tells a request its source, IPv4 and IPv6, without a zone", () => {
    const responder = new StunResponder();
    for (const [address, told] of [
      ["203.0.113.5", "203.0.113.5"],
      ["2001:db8::5", "2001:db8::5"],
      ["fe80::1%eth0", "fe80::1"],
    ] as const) {
      expect(answer(responder, BARE_REQUEST, { address, port: 65_535 })).toEqual({
        kind: "success",
        transactionId: TRANSACTION_ID,
        reflexive: { address: told, port: 65_535 },
      });
    }
  });

  it("puts FINGERPRINT into the answer when the request has one (§7.1)", () => {
    const responder = new StunResponder();
    expect(responder.respond(BARE_REQUEST, SOURCE, 0)).toHaveLength(32);
    const signed = responder.respond(encodeBindingRequest(TRANSACTION_ID), SOURCE, 0)!;
    expect(signed).toHaveLength(40);
    expect(Buffer.from(signed.subarray(32, 36)).toString("hex")).toBe("80280004");
  });

  it("says which attribute it does not understand (the PRIORITY of RFC 5769 §2.1)", () => {
    const responder = new StunResponder();
    expect(answer(responder, REQUEST)).toEqual({ kind: "error", transactionId: TRANSACTION_ID, code: 420 });
    expect(Buffer.from(responder.respond(REQUEST, SOURCE, 0)!).toString("hex")).toContain("000a00020024");
  });

  it("answers nothing but whole requests", () => {
    const responder = new StunResponder();
    const success = encodeBindingSuccess({ transactionId: TRANSACTION_ID, hasFingerprint: false }, SOURCE);
    const notRequests = [
      success,
      responder.respond(REQUEST, SOURCE, 0)!,
      BARE_REQUEST.with(1, 0x11),
      BARE_REQUEST.with(1, 0x03),
      BARE_REQUEST.with(3, 4),
      BARE_REQUEST.with(4, 0x20),
      BARE_REQUEST.subarray(0, 19),
      new Uint8Array(0),
    ];
    for (const bytes of notRequests) expect(responder.respond(bytes, SOURCE, 0)).toBeUndefined();
    expect(responder.respond(BARE_REQUEST, { ...SOURCE, port: 0 }, 0)).toBeUndefined();
    expect(responder.drops).toEqual({ "no-request": notRequests.length + 1, "too-large": 0, "rate-limited": 0 });
    const large = new Uint8Array(552);
    large.set(BARE_REQUEST);
    expect(responder.respond(large, SOURCE, 0)).toBeUndefined();
    expect(responder.drops["too-large"]).toBe(1);
  });

  it("answers one source its burst and rate, and others all the same", () => {
    const responder = new StunResponder({ burst: 5, perSecond: 2 });
    const answered = (address: string, nowMs: number) =>
      new Array(20).fill(0).filter(() => responder.respond(BARE_REQUEST, { address, port: 9 }, nowMs)).length;
    expect(answered("203.0.113.5", 0)).toBe(5);
    expect(answered("203.0.113.5", 1_000)).toBe(2);
    expect(answered("203.0.113.6", 1_000)).toBe(5);
    expect(answered("2001:db8::1", 1_000)).toBe(5);
    expect(answered("2001:db8::2", 1_000)).toBe(0);
    expect(responder.drops["rate-limited"]).toBe(15 + 18 + 15 + 15 + 20);
  });

  it("never throws, and never answers with more than 32 bytes beyond the request", () => {
    const body = fc.array(
      fc.tuple(fc.constantFrom(0x0003, 0x0006, 0x0020, 0x0024, 0x7777, 0x8022), fc.nat(9)).map(([type, size]) => {
        const value = new Array<number>((size + 3) & ~3).fill(0);
        return [type >> 8, type & 0xff, 0, size, ...value];
      }),
      { maxLength: 12 },
    );
    const request = body.map((attributes) => {
      const bytes = attributes.flat();
      return Uint8Array.from([0, 1, bytes.length >> 8, bytes.length & 0xff, ...BARE_REQUEST.subarray(4), ...bytes]);
    });
    const sources = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6()), port: fc.integer({ min: 0, max: 65_535 }) });
    fc.assert(
      fc.property(fc.oneof(request, fc.uint8Array({ maxLength: 600 })), sources, (bytes, source) => {
        const answered = new StunResponder().respond(bytes, source, 0);
        expect(answered?.length ?? 0).toBeLessThanOrEqual(bytes.length + 32);
      }),
      { numRuns: 1_000 },
    );
  });
});
