import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFilter } from "../../../../src/filter/compile.ts";
import { Verdict } from "../../../../src/filter/verdict.ts";
import { openingPacket } from "../../../../src/packet/opening-packet.ts";
import { PacketBuffer } from "../../../../src/packet/packet-buffer.ts";
import {
  type Inquiry,
  inquiryBytes,
  MAX_INQUIRY_BODY_BYTES,
  readInquiry,
  writeInquiry,
} from "../../../../src/router/shared/inquiry.ts";
import { MemoryNetwork } from "../../../../src/transports/memory/memory-transport.ts";
import { policy, rule } from "../../filter/filtered-host.ts";
import { ADDRESSES, acquaintedPair, installSession, ManualClock } from "../plane-node.ts";

const QUESTION: Inquiry = { isAnswer: false, id: 7, sequence: 0x1234_5678, body: Uint8Array.of(0x7b, 0x7d) };

function written(inquiry: Inquiry, offset = 0): PacketBuffer {
  const buffer = new PacketBuffer(2048);
  writeInquiry(buffer, offset, inquiry);
  return buffer;
}

describe("the codec of questions and answers", () => {
  it("reads what it wrote, at any offset and with padding behind", () => {
    const inquiries = fc.record({
      isAnswer: fc.boolean(),
      id: fc.nat(2 ** 32 - 1),
      sequence: fc.nat(2 ** 32 - 1),
      body: fc.uint8Array({ maxLength: MAX_INQUIRY_BODY_BYTES }),
    });
    fc.assert(
      fc.property(inquiries, fc.nat(40), fc.nat(40), (inquiry, offset, padding) => {
        expect(readInquiry(written(inquiry, offset), offset, inquiryBytes(inquiry) + padding)).toEqual(inquiry);
      }),
    );
  });

  it("has the bytes that its layout draws", () => {
    const hex = Buffer.from(written(QUESTION).bytes.subarray(0, inquiryBytes(QUESTION))).toString("hex");
    expect(hex).toBe(`f104000e${"00000007"}${"12345678"}${"7b7d"}`);
  });

  it("takes no other message for one, nor one that is cut or too long", () => {
    for (let sizeBytes = 0; sizeBytes < inquiryBytes(QUESTION); sizeBytes++)
      expect(readInquiry(written(QUESTION), 0, sizeBytes)).toBeUndefined();
    const long = { ...QUESTION, body: new Uint8Array(MAX_INQUIRY_BODY_BYTES + 1) };
    expect(readInquiry(written(long), 0, inquiryBytes(long))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const buffer = new PacketBuffer(400);
        buffer.bytes.set(bytes);
        const inquiry = readInquiry(buffer, 0, bytes.length);
        if (inquiry !== undefined) expect([bytes[0], inquiry.isAnswer ? 5 : 4]).toEqual([0xf1, bytes[1]]);
      }),
    );
  });
});

describe("in the data plane", () => {
  function connected(hasPaths: boolean) {
    const clock = new ManualClock();
    const pair = acquaintedPair(new MemoryNetwork(), clock);
    for (const node of [pair.left, pair.right]) {
      const endpoint = node === pair.left ? pair.right.address : pair.left.address;
      node.apply({ type: "add-peer", peer: 0, hasPaths }, { type: "set-endpoint", peer: 0, endpoint });
      node.apply({ type: "set-path", peer: 0, path: 3, endpoint });
      node.apply({ type: "use-paths", peer: 0, primary: 3, second: null });
    }
    installSession(pair.left, pair.right, { createdAtMs: clock.nowMs });
    return pair;
  }

  it("a question comes to the other end's control thread, is no packet, and has the path watched", () => {
    const { left, right } = connected(true);
    left.apply({ type: "send-inquiry", peer: 0, inquiry: QUESTION });
    right.drain();
    expect(right.takeEvents("inquiry")).toEqual([{ type: "inquiry", peer: 0, inquiry: QUESTION }]);
    expect([right.takePackets(), right.drops()]).toEqual([[], {}]);
    expect(left.takeEvents("active")).toHaveLength(1);
  });

  it("a question without a session asks for one, an answer does not", () => {
    const { left } = acquaintedPair(new MemoryNetwork(), new ManualClock());
    left.apply({ type: "send-inquiry", peer: 0, inquiry: { ...QUESTION, isAnswer: true } });
    expect(left.takeEvents("need-handshake")).toHaveLength(0);
    left.apply({ type: "send-inquiry", peer: 0, inquiry: QUESTION });
    expect(left.takeEvents("need-handshake")).toHaveLength(1);
  });

  it("a flood is bounded and counted, and a stock peer's means nothing", () => {
    const { left, right } = connected(true);
    for (let i = 0; i < 50; i++) left.apply({ type: "send-inquiry", peer: 0, inquiry: QUESTION });
    right.drain();
    expect(right.takeEvents("inquiry")).toHaveLength(32);
    expect(right.drops()).toEqual({ "in-queue-full-inquiry": 18 });
    const stock = connected(false);
    stock.left.apply({ type: "send-inquiry", peer: 0, inquiry: QUESTION });
    stock.right.drain();
    expect(stock.right.takeEvents("inquiry")).toEqual([]);
    expect(stock.right.drops()).toEqual({ "in-unknown-probe": 1 });
  });

  it("a preview tells whose the far end is and what the filter says", () => {
    const { left } = connected(true);
    const { left4, right4, stranger4 } = ADDRESSES;
    const denied = policy({ rules: [rule({ direction: "out", action: "deny", slot: 9 })] });
    left.apply({ type: "use-filter", program: compileFilter(denied) });
    const preview = (bytes: Uint8Array, isOutbound: boolean) => {
      left.apply({ type: "preview", id: 5, bytes, isOutbound });
      return left.takeEvents("previewed")[0];
    };
    expect(preview(openingPacket("tcp", left4, right4, 22), true)).toEqual({
      type: "previewed",
      id: 5,
      peer: 0,
      decided: { verdict: Verdict.deny, slot: 9, tracked: 0 },
      isAccepted: true,
    });
    expect(preview(openingPacket("tcp", right4, left4, 22), false)?.decided?.verdict).toBe(Verdict.accept);
    expect(preview(openingPacket("tcp", left4, stranger4, 22), true)).toMatchObject({ peer: null, decided: null });
    expect(preview(new Uint8Array(500), true)).toMatchObject({ peer: null, decided: null });
    expect(left.drops()).toEqual({});
  });
});
