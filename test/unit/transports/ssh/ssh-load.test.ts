import { connect, type Server } from "node:net";
import { describe, expect, it } from "vitest";
import type { SocketTarget } from "../../../../src/host/tcp.ts";
import { bindPlainly } from "../../../../src/host/tcp.ts";
import { eventually } from "../../../support/lab/eventually.ts";
import { rawClient, subsystem } from "../../../support/ssh/raw-client.ts";
import { openPair, type SshNode } from "../../../support/ssh/ssh-node.ts";
import { MemorySocket } from "./memory-socket.ts";
import { PausableLine } from "./pausable-line.ts";

const numbered = (i: number) => `${i} ${"x".repeat(1400)}`;
const numbersOf = (texts: readonly string[]) => texts.map((text) => Number.parseInt(text, 10));

/** Sends `count` datagrams, never more ahead of the receiver than fit into the queue. */
async function sendAll(from: SshNode, to: SshNode, count: number): Promise<void> {
  let sent = 0;
  await eventually(
    `${count} datagrams arrive`,
    () => {
      for (; sent < count && sent - to.received.length < 100; sent++) from.send(to, numbered(sent));
      return to.received.length === count;
    },
    { intervalMs: 0, timeoutMs: 30_000 },
  );
}

describe("a reader that stops", { timeout: 30_000 }, () => {
  it("costs a bounded queue, from which the oldest go; the newest arrive when it reads on", async () => {
    await using line = await PausableLine.open();
    await using pair = await openPair({ limits: { queueBytes: 64 * 1024 } });
    const { a, b } = pair;
    line.leadTo(b.port);
    a.transport.setPeers([b.entry({ sshEndpoints: [`127.0.0.1:${line.port}`] })]);
    await a.connect(b);
    line.pause();
    const count = 20_000;
    let sent = 0;
    await eventually(
      "all are sent",
      () => {
        for (let i = 0; i < 100 && sent < count; i++) expect(a.send(b, numbered(sent++))).toBe(true);
        return sent === count;
      },
      { intervalMs: 0 },
    );
    const { stats } = a.transport;
    await eventually("what cannot get away is dropped", () => stats.droppedDatagrams > 0);
    const waiting = count - stats.droppedDatagrams - stats.sentDatagrams;
    expect(waiting).toBeLessThanOrEqual((64 * 1024) / 1400);
    line.resume();
    await eventually("the newest arrives", () => b.received.at(-1) === numbered(count - 1));
    const arrived = numbersOf(b.received);
    expect(arrived).toEqual(arrived.toSorted((x, y) => x - y));
    expect(arrived.length + stats.droppedDatagrams).toBe(count);
    expect(b.transport.stats.malformedFrames).toBe(0);
  });

  it("and asks on without reading the answers is cut off", async () => {
    let listener: Server | undefined;
    const dependencies = {
      bindListener: (server: Server, target: SocketTarget) => {
        listener = server;
        bindPlainly(server, target);
      },
    };
    await using pair = await openPair({ dependencies });
    const { a, b } = pair;
    const [ours, theirs] = MemorySocket.pair();
    listener?.emit("connection", ours);
    await using client = await rawClient(a.port, { seed: b.machineSeed, sock: theirs });
    await subsystem(client);
    await a.isOpenTo(b);
    theirs.pause();
    let heldBytes = 0;
    await eventually(
      "the server gives up",
      () => {
        for (let i = 0; i < 500 && theirs.writable; i++) client.forwardIn("127.0.0.1", 0, () => undefined);
        heldBytes = Math.max(heldBytes, ours.writableLength);
        return ours.destroyed;
      },
      { intervalMs: 0 },
    );
    expect(heldBytes).toBeGreaterThan(0);
    expect(heldBytes).toBeLessThan(2 * 1024 * 1024);
    expect(a.transport.isOpenTo(b.publicKey)).toBe(false);
  });
});

describe("new keys", { timeout: 30_000 }, () => {
  it("are exchanged by bytes while data flows both ways, and nothing is lost or changed", async () => {
    const limits = { rekeyAfterBytes: 1_000_000 };
    await using pair = await openPair({ limits }, { limits });
    const { a, b } = pair;
    await a.connect(b);
    await b.isOpenTo(a);
    const count = 5_000;
    await Promise.all([sendAll(a, b, count), sendAll(b, a, count)]);
    const expected = Array.from({ length: count }, (_, i) => numbered(i));
    expect(b.received).toEqual(expected);
    expect(a.received).toEqual(expected);
    expect(a.transport.stats.rekeys).toBeGreaterThanOrEqual(10);
    expect(b.transport.stats.rekeys).toBe(a.transport.stats.rekeys);
    expect(a.changes.length + b.changes.length).toBe(2);
  });

  it("are exchanged after a time, with nothing to carry", async () => {
    const timings = { rekeyAfterMs: 100, keepaliveMs: 20 };
    await using pair = await openPair({ timings }, { timings });
    const { a, b } = pair;
    await a.connect(b);
    await eventually("three times", () => a.transport.stats.rekeys >= 3 && b.transport.stats.rekeys >= 3);
    expect(a.send(b, "after")).toBe(true);
    await eventually("data flows on", () => b.received[0] === "after");
    expect(a.changes).toHaveLength(1);
  });

  it("that the other end does not agree to cost it the connection", async () => {
    const timings = { rekeyAfterMs: 200, keepaliveMs: 50, deadAfterMs: 500 };
    await using pair = await openPair({ timings });
    const { a, b } = pair;
    const socket = connect(a.port, "127.0.0.1");
    await using client = await rawClient(a.port, { seed: b.machineSeed, sock: socket });
    const channel = await subsystem(client);
    await a.isOpenTo(b);
    // It goes on speaking, and does not hear that keys are to be exchanged.
    socket.pause();
    const speaking = setInterval(() => channel.write(Buffer.of(0, 1, 0)), 20);
    await a.isClosedTo(b);
    clearInterval(speaking);
    socket.destroy();
  });
});
