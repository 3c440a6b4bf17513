import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageType } from "../../../src/wireguard/constants.ts";
import {
  dataMessageBytes,
  isDataMessage,
  readCounter,
  readReceiverIndex,
  writeCounter,
  writeDataHeader,
} from "../../../src/wireguard/data-header.ts";
import {
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
  messageTypeOf,
} from "../../../src/wireguard/messages.ts";

const blob = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const index = fc.integer({ min: 0, max: 0xffffffff });

describe("the handshake messages", () => {
  it("come out of the decoders as they went into the encoders", () => {
    fc.assert(
      fc.property(index, index, blob(32), blob(48), blob(28), blob(16), (sender, receiver, e, s, t, n) => {
        const initiation = { senderIndex: sender, ephemeral: e, encryptedStatic: s, encryptedPayload: t };
        expect(decodeInitiation(encodeInitiation(initiation))).toEqual(initiation);
        expect(messageTypeOf(encodeInitiation(initiation))).toBe(MessageType.initiation);
        const response = { senderIndex: sender, receiverIndex: receiver, ephemeral: e, encryptedPayload: n };
        expect(decodeResponse(encodeResponse(response))).toEqual(response);
        expect(messageTypeOf(encodeResponse(response))).toBe(MessageType.response);
        const reply = { receiverIndex: receiver, nonce: s.subarray(0, 24), encryptedCookie: e };
        expect(decodeCookieReply(encodeCookieReply(reply))).toEqual(reply);
        expect(messageTypeOf(encodeCookieReply(reply))).toBe(MessageType.cookieReply);
      }),
    );
  });

  it("are told by the whole first word and the exact size", () => {
    const sizes = { 1: 148, 2: 92, 3: 64 } as const;
    for (const [type, size] of Object.entries(sizes)) {
      const message = new Uint8Array(size);
      message[0] = Number(type);
      expect(messageTypeOf(message)).toBe(Number(type));
      expect(messageTypeOf(message.subarray(0, size - 1))).toBeUndefined();
      expect(messageTypeOf(Uint8Array.of(...message, 0))).toBeUndefined();
      for (const reserved of [1, 2, 3]) {
        const odd = new Uint8Array(message);
        odd[reserved] = 1;
        expect(messageTypeOf(odd)).toBeUndefined();
      }
    }
    const data = new Uint8Array(32);
    data[0] = 4;
    expect(messageTypeOf(data)).toBe(MessageType.data);
    expect(messageTypeOf(data.subarray(0, 31))).toBeUndefined();
  });

  it("any bytes have a type or none, without a throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const type = messageTypeOf(bytes);
        expect(type === undefined || bytes[0] === type).toBe(true);
      }),
    );
  });
});

describe("the data header", () => {
  it("keeps any index and any counter below 2^53", () => {
    fc.assert(
      fc.property(index, fc.maxSafeNat(), fc.nat(40), (receiver, counter, offset) => {
        const arena = new Uint8Array(offset + 32).fill(0xaa);
        writeDataHeader(arena, offset, receiver);
        writeCounter(arena, offset, counter);
        expect(isDataMessage(arena, offset, 32)).toBe(true);
        expect(readReceiverIndex(arena, offset)).toBe(receiver);
        expect(readCounter(arena, offset)).toBe(counter);
        expect(arena.subarray(0, offset).every((byte) => byte === 0xaa)).toBe(true);
      }),
    );
  });

  it("pads to 16, never past the MTU, and leaves what is larger alone", () => {
    expect(dataMessageBytes(0, 1420)).toBe(32);
    expect(dataMessageBytes(1, 1420)).toBe(48);
    expect(dataMessageBytes(1408, 1420)).toBe(32 + 1408);
    expect(dataMessageBytes(1409, 1420)).toBe(32 + 1420);
    expect(dataMessageBytes(1420, 1420)).toBe(32 + 1420);
    expect(dataMessageBytes(1500, 1420)).toBe(32 + 1500);
  });
});
