import { describe, expect, it } from "vitest";
import { MAX_PIPE_DATAGRAM_BYTES } from "../../../../src/transports/pipe/pipe-transport.ts";
import { eventually } from "../../../support/lab/eventually.ts";
import { closed, frame, rawClient, subsystem } from "../../../support/ssh/raw-client.ts";
import { introduce, openPair, orderedSeeds, SshNode } from "../../../support/ssh/ssh-node.ts";
import { PausableLine } from "./pausable-line.ts";

describe("datagrams between two peers over SSH", { timeout: 30_000 }, () => {
  it("arrive both ways, whole, by one connection", async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    await a.connect(b);
    await b.isOpenTo(a);
    expect(a.transport.addressOf(b.publicKey)).toBe(b.endpoints[0]);
    expect(b.transport.addressOf(a.publicKey)).toMatch(/^127\.0\.0\.1:\d+$/);
    const sent = Array.from({ length: 200 }, (_, i) => `${i} ${"x".repeat(i * 7)}`);
    for (const text of sent) expect(a.send(b, text)).toBe(true);
    expect(b.send(a, "back")).toBe(true);
    await eventually("all arrive", () => b.received.length === sent.length && a.received.length === 1);
    expect(b.received).toEqual(sent);
    expect(a.received).toEqual(["back"]);
    const bytes = sent.join("").length;
    expect(a.transport.stats).toMatchObject({
      sentDatagrams: 200,
      sentBytes: bytes,
      receivedDatagrams: 1,
      receivedBytes: 4,
    });
    expect(b.transport.stats).toMatchObject({
      sentDatagrams: 1,
      sentBytes: 4,
      receivedDatagrams: 200,
      receivedBytes: bytes,
    });
    expect(a.changes).toEqual([{ peer: b.publicKey, isOpen: true }]);
    expect(b.changes).toEqual([{ peer: a.publicKey, isOpen: true }]);
    expect(a.transport.attemptsOf(b.publicKey)).toMatchObject([
      { endpoint: b.endpoints[0], outcome: "won", reason: "" },
    ]);
  });

  it("are refused when there is no connection, or they are of no size of ours", async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    expect(a.send(b, "early")).toBe(false);
    expect(a.transport.stats.droppedDatagrams).toBe(1);
    await a.connect(b);
    expect(a.send(b, "")).toBe(false);
    expect(a.send(b, "x".repeat(MAX_PIPE_DATAGRAM_BYTES + 1))).toBe(false);
    expect(a.transport.stats.droppedDatagrams).toBe(3);
    expect(a.send(b, "x".repeat(MAX_PIPE_DATAGRAM_BYTES))).toBe(true);
    await eventually("the largest arrives", () => b.received.length === 1);
    expect(b.received[0]).toHaveLength(MAX_PIPE_DATAGRAM_BYTES);
  });
});

describe("a connection", { timeout: 30_000 }, () => {
  it("is made only to whom somebody wants", async () => {
    await using pair = await openPair();
    await using third = await SshNode.open();
    const { a, b } = pair;
    a.transport.setPeers([b.entry(), third.entry()]);
    third.transport.setPeers([a.entry(), b.entry()]);
    await a.connect(b);
    expect(a.transport.isOpenTo(third.publicKey)).toBe(false);
    expect(await Promise.all([a.connections(), b.connections(), third.connections()])).toEqual([1, 1, 0]);
  });

  it("is one when both dial at once, and nothing is lost meanwhile", async () => {
    const { smaller, larger } = orderedSeeds();
    await using pair = await openPair({ machineSeed: smaller }, { machineSeed: larger });
    const { a, b } = pair;
    a.transport.want(b.publicKey);
    b.transport.want(a.publicKey);
    const sent = { a: 0, b: 0 };
    const sendBoth = () => {
      if (a.send(b, `${sent.a}`)) sent.a++;
      if (b.send(a, `${sent.b}`)) sent.b++;
    };
    await eventually(
      "both are connected, by one connection",
      async () => {
        sendBoth();
        const isOpen = a.transport.isOpenTo(b.publicKey) && b.transport.isOpenTo(a.publicKey);
        return isOpen && (await a.connections()) === 1 && (await b.connections()) === 1;
      },
      { intervalMs: 1 },
    );
    await eventually("all arrive", () => b.received.length === sent.a && a.received.length === sent.b);
    expect(new Set(b.received).size).toBe(sent.a);
    expect(new Set(a.received).size).toBe(sent.b);
    expect(sent.a + sent.b).toBeGreaterThan(2);
  });

  it("that the other end has left serves until the one that we are opening is there", async () => {
    await using line = await PausableLine.open();
    await using pair = await openPair();
    const { a, b } = pair;
    line.leadTo(b.port);
    a.transport.setPeers([b.entry({ sshEndpoints: [`127.0.0.1:${line.port}`] })]);
    // The other end takes it for open; the answer that says so is on its way.
    b.onChange = () => line.pause();
    a.transport.want(b.publicKey);
    await b.isOpenTo(a);
    expect(a.transport.isOpenTo(b.publicKey)).toBe(false);
    await using client = await rawClient(a.port, { seed: b.machineSeed });
    const channel = await subsystem(client);
    const got: Buffer[] = [];
    channel.on("data", (chunk: Buffer) => got.push(chunk));
    await a.isOpenTo(b);
    const isOver = closed(client);
    channel.end(frame("the last"));
    await eventually("the last of it is there", () => a.received[0] === "the last");
    expect(a.send(b, "still")).toBe(true);
    await eventually("it goes by the connection that is being left", () => Buffer.concat(got).equals(frame("still")));
    line.resume();
    await isOver;
    expect(a.transport.addressOf(b.publicKey)).toBe(`127.0.0.1:${line.port}`);
    expect(a.send(b, "by the other")).toBe(true);
    await eventually("it arrives", () => b.received[0] === "by the other");
    expect(a.changes.every(({ isOpen }) => isOpen)).toBe(true);
  });

  it("is closed when nobody has used or wanted it for a while", async () => {
    const timings = { idleMs: 200, keepaliveMs: 50 };
    await using pair = await openPair({ timings }, { timings });
    const { a, b } = pair;
    await a.connect(b);
    await eventually("it is gone at both ends", async () => (await a.connections()) + (await b.connections()) === 0);
    expect(a.changes.map(({ isOpen }) => isOpen)).toEqual([true, false]);
    expect(b.changes.map(({ isOpen }) => isOpen)).toEqual([true, false]);
    // Nothing was lost with it, and nothing dials again by itself.
    expect(a.transport.stats.droppedDatagrams + b.transport.stats.droppedDatagrams).toBe(0);
    expect(a.dialled).toHaveLength(1);
    await a.connect(b);
  });

  it("stays as long as it is wanted", async () => {
    const timings = { idleMs: 300, keepaliveMs: 50 };
    await using pair = await openPair({ timings });
    const { a, b } = pair;
    await a.connect(b);
    const startMs = performance.now();
    await eventually(
      "three times the idle time passes",
      () => {
        a.transport.want(b.publicKey);
        return performance.now() - startMs > 3 * timings.idleMs;
      },
      { intervalMs: 20 },
    );
    expect(a.dialled).toHaveLength(1);
    expect(a.transport.isOpenTo(b.publicKey)).toBe(true);
  });

  it("is made again when the other end's server comes back", async () => {
    const timings = { firstRetryMs: 20, lastRetryMs: 100 };
    await using a = await SshNode.open({ timings });
    const before = await SshNode.open();
    introduce(a, before);
    await a.connect(before);
    const { port, machineSeed, publicKey } = before;
    await before.transport.close();
    await a.isClosedTo(before);
    await eventually("an attempt fails", () => a.transport.attemptsOf(publicKey)[0]?.outcome === "failed");
    await using after = await SshNode.open({ machineSeed, listen: [{ host: "127.0.0.1", port }] });
    after.transport.setPeers([a.entry()]);
    await a.isOpenTo(before);
    expect(a.send(before, "again")).toBe(true);
    await eventually("it arrives", () => after.received[0] === "again");
  });

  it("is given up when the other end falls silent, and one that hangs does not count as there", async () => {
    const timings = { keepaliveMs: 50, deadAfterMs: 400, firstRetryMs: 20, lastRetryMs: 50 };
    await using line = await PausableLine.open();
    await using pair = await openPair({ timings }, { timings });
    const { a, b } = pair;
    line.leadTo(b.port);
    a.transport.setPeers([b.entry({ sshEndpoints: [`127.0.0.1:${line.port}`] })]);
    await a.connect(b);
    line.pause();
    await a.isClosedTo(b);
    await b.isClosedTo(a);
    line.resume();
    await a.isOpenTo(b);
  });
});

describe("after a change of the network", { timeout: 30_000 }, () => {
  it("connections from an address that is gone are made anew at once, the others stay", async () => {
    await using pair = await openPair({ timings: { firstRetryMs: 1e9, lastRetryMs: 1e9 } });
    const { a, b } = pair;
    await a.connect(b);
    await b.isOpenTo(a);
    a.transport.networkChanged(new Set(["192.0.2.1", "127.0.0.1"]));
    expect(a.transport.isOpenTo(b.publicKey)).toBe(true);
    a.transport.networkChanged(new Set(["192.0.2.1"]));
    expect(a.transport.isOpenTo(b.publicKey)).toBe(false);
    await a.isOpenTo(b);
    expect(a.dialled.map((socket) => socket.destroyed)).toEqual([true, false]);
    expect(a.send(b, "again")).toBe(true);
    await eventually("it arrives", () => b.received[0] === "again");
  });

  it("who could not be reached is tried at once", async () => {
    await using pair = await openPair({ timings: { firstRetryMs: 1e9, lastRetryMs: 1e9 } });
    const { a, b } = pair;
    b.transport.setPeers([]);
    a.transport.want(b.publicKey);
    await eventually("the dial fails", () => a.transport.attemptsOf(b.publicKey)[0]?.outcome === "failed");
    introduce(a, b);
    a.transport.networkChanged(new Set(["127.0.0.1"]));
    await a.isOpenTo(b);
  });
});

describe("the server", { timeout: 30_000 }, () => {
  it("listens on several ports and both families, and a port that is taken keeps it from none of the others", async () => {
    await using first = await SshNode.open();
    const taken = { host: "127.0.0.1", port: first.port };
    await using node = await SshNode.open({
      listen: [taken, { host: "127.0.0.1", port: 0 }, { host: "::1", port: 0 }, { host: "192.0.2.1", port: 0 }],
    });
    expect(node.transport.listening.map(({ error }) => error?.code ?? null)).toEqual([
      "port-in-use",
      null,
      null,
      "listen-failed",
    ]);
    expect(node.transport.problems.map(({ code }) => code)).toEqual(["port-in-use", "listen-failed"]);
    for (const endpoint of node.endpoints) {
      await using other = await SshNode.open({ listen: [] });
      node.transport.setPeers([other.entry()]);
      other.transport.setPeers([node.entry({ sshEndpoints: [endpoint] })]);
      await other.connect(node);
      expect(other.transport.addressOf(node.publicKey)).toBe(endpoint);
    }
  });

  it("is reached at the endpoint that answers, wherever it stands in the list", async () => {
    await using pair = await openPair({ timings: { staggerMs: 20 } });
    await using line = await PausableLine.open();
    const { a, b } = pair;
    // The first accepts and says nothing, the second refuses.
    line.pause();
    const endpoints = [`127.0.0.1:${line.port}`, "127.0.0.1:1", ...b.endpoints];
    a.transport.setPeers([b.entry({ sshEndpoints: endpoints })]);
    await a.connect(b);
    expect(a.transport.addressOf(b.publicKey)).toBe(b.endpoints[0]);
    await eventually("each attempt has come to an end", () => a.transport.attemptsOf(b.publicKey).length === 3);
    const outcomes = new Map(a.transport.attemptsOf(b.publicKey).map((each) => [each.endpoint, each.outcome]));
    expect(endpoints.map((endpoint) => outcomes.get(endpoint))).toEqual(["lost", "failed", "won"]);
    expect(a.dialled.filter((socket) => !socket.destroyed)).toHaveLength(1);
  });
});
