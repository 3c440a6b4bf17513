import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MeshError } from "../../../../src/base/errors.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import type { DataCommand } from "../../../../src/router/shared/commands.ts";
import type { Inquiry } from "../../../../src/router/shared/inquiry.ts";
import type { ActivePeer } from "../../../../src/router/tunnel/peer-set.ts";
import { TunnelInquiries, type TunnelInquiriesDeps } from "../../../../src/router/tunnel/tunnel-inquiries.ts";
import { ManualClock } from "../plane-node.ts";

const BODY = Uint8Array.of(1);
const ANSWER = Uint8Array.of(2);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function asker() {
  const clock = new ManualClock();
  const posted: DataCommand[] = [];
  const bob = { id: 3, publicKey: "bob" } as ActivePeer;
  const peers = {
    get: (key: string) => (key === bob.publicKey ? bob : undefined),
    byId: (id: number) => (id === bob.id ? bob : undefined),
  } as TunnelInquiriesDeps["peers"];
  const post = (commands: readonly DataCommand[]) => void posted.push(...commands);
  const inquiries = new TunnelInquiries({ clock, logger: silentLogger, peers, post });
  const sent = () => posted.flatMap((one) => (one.type === "send-inquiry" ? [one.inquiry] : []));
  const receive = (inquiry: Inquiry, peer = bob.id) => inquiries.take({ type: "inquiry", peer, inquiry });
  return { clock, inquiries, sent, receive };
}

describe("questions to peers", () => {
  it("go out until there is an answer, which must be the peer's own to this question", async () => {
    const { inquiries, sent, receive } = asker();
    const answer = inquiries.ask("bob", BODY, 3000);
    vi.advanceTimersByTime(850);
    expect(sent()).toHaveLength(3);
    inquiries.repeat(3);
    expect(sent()).toHaveLength(4);
    const question = sent()[0]!;
    expect(new Set(sent().map(({ sequence }) => sequence)).size).toBe(1);
    const reply = { ...question, isAnswer: true, body: ANSWER };
    receive(reply, 4);
    receive({ ...reply, id: (question.id + 1) >>> 0 });
    receive({ ...reply, sequence: question.sequence + 1 });
    receive(reply);
    expect(await answer).toEqual(ANSWER);
    vi.advanceTimersByTime(5000);
    expect(sent()).toHaveLength(4);
  });

  it("end when nobody answers, for a stranger, and with the tunnel", async () => {
    const { inquiries } = asker();
    const unanswered = inquiries.ask("bob", BODY, 1000);
    const late = expect(unanswered).rejects.toMatchObject({ code: "timeout" });
    vi.advanceTimersByTime(1000);
    await late;
    await expect(inquiries.ask("eve", BODY, 1000)).rejects.toMatchObject({ code: "not-found" });
    const open = [inquiries.ask("bob", BODY, 1000), inquiries.preview(BODY, true)];
    const aborted = Promise.all(open.map((one) => expect(one).rejects.toMatchObject({ code: "data-plane-failed" })));
    inquiries.abort(new MeshError("data-plane-failed", "closed"));
    await aborted;
    await expect(inquiries.preview(BODY, true)).rejects.toMatchObject({ code: "data-plane-failed" });
  });
});

describe("questions of peers", () => {
  const question: Inquiry = { isAnswer: false, id: 9, sequence: 1, body: BODY };

  it("are answered to the asker, once while the answer is being made", async () => {
    const { inquiries, sent, receive } = asker();
    const handler = vi.fn(async () => ANSWER);
    inquiries.onQuestion(handler);
    receive(question);
    receive(question);
    await vi.waitFor(() => expect(sent()).toHaveLength(1));
    expect(handler).toHaveBeenCalledExactlyOnceWith("bob", BODY);
    expect(sent()[0]).toEqual({ ...question, isAnswer: true, body: ANSWER });
    // The answer was lost, and the question comes again.
    receive(question);
    await vi.waitFor(() => expect(sent()).toHaveLength(2));
  });

  it("are heard at a bounded rate, and not of strangers", async () => {
    const { clock, inquiries, receive } = asker();
    const handler = vi.fn(async () => undefined);
    inquiries.onQuestion(handler);
    receive(question, 8);
    for (let sequence = 0; sequence < 100; sequence++) receive({ ...question, sequence });
    expect(handler).toHaveBeenCalledTimes(12);
    clock.nowMs += 1000;
    for (let sequence = 200; sequence < 300; sequence++) receive({ ...question, sequence });
    expect(handler).toHaveBeenCalledTimes(16);
  });

  it("that cannot be answered, or not in one message, get none", async () => {
    const { inquiries, sent, receive } = asker();
    inquiries.onQuestion(async () => new Uint8Array(5000));
    receive(question);
    inquiries.onQuestion(() => Promise.reject(new Error("no")));
    receive({ ...question, sequence: 2 });
    await Promise.resolve();
    await Promise.resolve();
    expect(sent()).toEqual([]);
  });
});
