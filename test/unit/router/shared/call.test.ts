import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "../../../../src/packet/address.ts";
import { PacketBuffer } from "../../../../src/packet/packet-buffer.ts";
import { type Call, callBytes, MAX_CALL_ENDPOINTS, readCall, writeCall } from "../../../../src/router/shared/call.ts";
import { MemoryNetwork } from "../../../../src/transports/memory/memory-transport.ts";
import { acquaintedPair, installSession, ManualClock, type PlaneNode } from "../plane-node.ts";

const endpoint = fc.record({
  address: fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((text) => formatAddress(parseAddress(text))),
  ),
  port: fc.integer({ min: 1, max: 65_535 }),
});
/** v4-mapped ones are IPv4 addresses on the wire, and come back as such. */
const isMapped = (address: string) => address.startsWith("::ffff:");
const calls = fc.record({
  isAnswer: fc.boolean(),
  endpoints: fc.array(
    endpoint.filter(({ address }) => !isMapped(address)),
    { maxLength: MAX_CALL_ENDPOINTS },
  ),
});
const CALL: Call = {
  isAnswer: true,
  endpoints: [
    { address: "192.0.2.1", port: 51_820 },
    { address: "2001:db8::1", port: 4500 },
  ],
};

function written(call: Call, offset = 0): PacketBuffer {
  const buffer = new PacketBuffer(512);
  writeCall(buffer, offset, call);
  return buffer;
}

describe("the codec of calls", () => {
  it("reads what it wrote, at any offset and with padding behind", () => {
    fc.assert(
      fc.property(calls, fc.nat(40), fc.nat(40), (call, offset, padding) => {
        expect(readCall(written(call, offset), offset, callBytes(call) + padding)).toEqual(call);
      }),
    );
  });

  it("has the bytes that docs/protocol.md draws", () => {
    const hex = Buffer.from(written(CALL).bytes.subarray(0, callBytes(CALL))).toString("hex");
    expect(hex).toBe(
      "f1030030" + // version, type, length
        "00000001" + // flags
        "ca6c000000000000000000000000ffffc0000201" +
        "1194000020010db8000000000000000000000001",
    );
  });

  it("takes no other message for one, nor one that is cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const buffer = new PacketBuffer(400);
        buffer.bytes.set(bytes);
        const call = readCall(buffer, 0, bytes.length);
        if (call !== undefined) expect([bytes[0], bytes[1]]).toEqual([0xf1, 3]);
        expect(call?.endpoints.length ?? 0).toBeLessThanOrEqual(MAX_CALL_ENDPOINTS);
      }),
    );
    for (let sizeBytes = 0; sizeBytes < callBytes(CALL); sizeBytes++)
      expect(readCall(written(CALL), 0, sizeBytes)).toBeUndefined();
  });

  it("leaves out what leads nowhere, and takes no more endpoints than its bound", () => {
    const buffer = written(CALL);
    buffer.view.setUint16(8, 0);
    expect(readCall(buffer, 0, callBytes(CALL))?.endpoints).toEqual(CALL.endpoints.slice(1));
    const many = { isAnswer: false, endpoints: Array.from({ length: 20 }, () => CALL.endpoints[0]!) };
    expect(readCall(written(many), 0, callBytes(many))?.endpoints).toHaveLength(MAX_CALL_ENDPOINTS);
  });
});

describe("a call inside a session", () => {
  function connected(hasPaths: boolean) {
    const clock = new ManualClock();
    const pair = acquaintedPair(new MemoryNetwork(), clock);
    for (const [node, other] of [
      [pair.left, pair.right],
      [pair.right, pair.left],
    ] satisfies [PlaneNode, PlaneNode][]) {
      node.apply({ type: "add-peer", peer: 0, hasPaths }, { type: "set-endpoint", peer: 0, endpoint: other.address });
      node.apply({ type: "set-path", peer: 0, path: 3, endpoint: other.address });
    }
    installSession(pair.left, pair.right, { createdAtMs: clock.nowMs });
    return pair;
  }

  it("comes to the other end's control thread, and is no packet", () => {
    const { left, right } = connected(true);
    left.apply({ type: "send-call", peer: 0, path: 3, call: CALL });
    right.drain();
    expect(right.takeEvents("call")).toEqual([{ type: "call", peer: 0, call: CALL }]);
    expect([right.takePackets(), right.drops()]).toEqual([[], {}]);
  });

  it("is bounded: a flood is counted", () => {
    const { left, right } = connected(true);
    for (let i = 0; i < 100; i++) left.apply({ type: "send-call", peer: 0, path: 3, call: CALL });
    right.drain();
    expect(right.takeEvents("call")).toHaveLength(32);
    expect(right.drops()).toEqual({ "in-queue-full-call": 68 });
  });

  it("of a stock peer means nothing", () => {
    const { left, right } = connected(false);
    left.apply({ type: "send-call", peer: 0, path: 3, call: CALL });
    right.drain();
    expect(right.takeEvents("call")).toEqual([]);
    expect(right.drops()).toEqual({ "in-unknown-probe": 1 });
  });
});
