import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeRelayFrame,
  RELAY_FRAME_HEADER_BYTES,
  RelayFrameType,
  readdressRelayFrame,
  relayFrameDatagram,
  relayFramePeer,
  relayFrameType,
} from "../../../src/api/relay-frame.ts";

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
const datagrams = fc.uint8Array({ minLength: 1, maxLength: 2000 });
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

describe("relay frames", () => {
  it("come out as they went in", () => {
    fc.assert(
      fc.property(keys, datagrams, (key, datagram) => {
        const frame = encodeRelayFrame(RelayFrameType.datagram, key, datagram);
        expect(frame).toHaveLength(RELAY_FRAME_HEADER_BYTES + datagram.length);
        expect(relayFrameType(frame)).toBe(RelayFrameType.datagram);
        expect(relayFramePeer(frame)).toBe(base64(key));
        expect(relayFrameDatagram(frame).equals(datagram)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.constantFrom(RelayFrameType.gone, RelayFrameType.here), keys, (type, key) => {
        const frame = encodeRelayFrame(type, key);
        expect(relayFrameType(frame)).toBe(type);
        expect(relayFramePeer(frame)).toBe(base64(key));
      }),
    );
  });

  it("stand on the wire as the protocol's text says", () => {
    const frame = encodeRelayFrame(1, Buffer.alloc(32, 0xab), Buffer.from([1, 2, 3]));
    expect(frame.toString("hex")).toBe(`01${"ab".repeat(32)}010203`);
  });

  it("change nothing but the peer when they are passed on, and leave the original alone", () => {
    fc.assert(
      fc.property(keys, keys, datagrams, (from, to, datagram) => {
        const frame = encodeRelayFrame(RelayFrameType.datagram, to, datagram);
        const original = Buffer.from(frame);
        const passedOn = readdressRelayFrame(frame, from);
        expect(frame.equals(original)).toBe(true);
        expect(passedOn.equals(encodeRelayFrame(RelayFrameType.datagram, from, datagram))).toBe(true);
        expect(passedOn.buffer === frame.buffer && passedOn.byteOffset === frame.byteOffset).toBe(false);
      }),
    );
  });

  it("are told from everything else, which no input makes throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const frame = Buffer.from(bytes);
        const isFrame =
          (frame[0] === 1 && frame.length > 33) || ((frame[0] === 2 || frame[0] === 3) && frame.length === 33);
        expect(relayFrameType(frame) !== undefined).toBe(isFrame);
      }),
      { examples: [[new Uint8Array(0)], [new Uint8Array(33).fill(1)], [new Uint8Array(34).fill(2)]] },
    );
  });
});
