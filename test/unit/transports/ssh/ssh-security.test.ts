import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { BaseAgent, type Client, type ClientChannel, type ParsedKey, utils } from "ssh2";
import { describe, expect, it } from "vitest";
import { MAX_PIPE_DATAGRAM_BYTES } from "../../../../src/transports/pipe/pipe-transport.ts";
import { machineKeyOfSeed, openSshPrivateKey } from "../../../../src/transports/ssh/machine-key.ts";
import { eventually } from "../../../support/lab/eventually.ts";
import { closed, frame, rawClient, subsystem } from "../../../support/ssh/raw-client.ts";
import { introduce, openPair, SshNode } from "../../../support/ssh/ssh-node.ts";

/** A TCP connection that says nothing by itself. */
async function silentSocket(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

const isClosed = (socket: Socket) => eventually("the server closes it", () => socket.readableEnded || socket.destroyed);

describe("who may connect", { timeout: 30_000 }, () => {
  it("a server that shows another host key gets no log-in", async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    a.transport.setPeers([b.entry({ machineKey: machineKeyOfSeed(randomBytes(32)) })]);
    a.transport.want(b.publicKey);
    await eventually("the dial fails", () => a.transport.attemptsOf(b.publicKey).length > 0);
    expect(a.transport.attemptsOf(b.publicKey)).toMatchObject([
      { outcome: "failed", reason: "the host key is another one" },
    ]);
    expect([...a.changes, ...b.changes]).toEqual([]);
  });

  it.each([
    ["a key that is no peer's", { seed: randomBytes(32) }],
    ["a password", { password: "password" }],
    ["no proof at all", {}],
    ["an answer to questions", { tryKeyboard: true }],
  ])("not with %s", async (_, login) => {
    await using node = await SshNode.open();
    await expect(rawClient(node.port, login)).rejects.toThrow("All configured authentication methods failed");
    await eventually("it is counted", () => node.transport.stats.refusedConnections === 1);
  });

  it("not with a peer's key whose private half is missing", async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    const parse = (seed: Uint8Array) => utils.parseKey(openSshPrivateKey(seed)) as ParsedKey;
    const [theirs, own] = [parse(b.machineSeed), parse(randomBytes(32))];
    class Pretender extends BaseAgent {
      getIdentities(done: (failure: undefined, keys: ParsedKey[]) => void): void {
        done(undefined, [theirs]);
      }
      sign(_key: unknown, data: Buffer, ...rest: unknown[]): void {
        const done = rest.at(-1) as (failure: undefined, signature: Buffer) => void;
        done(undefined, own.sign(data));
      }
    }
    await expect(rawClient(a.port, { agent: new Pretender() })).rejects.toThrow("authentication methods failed");
    expect(a.changes).toEqual([]);
  });

  it("a peer that is removed is cut off at once, at both ends, and does not come back", async () => {
    await using pair = await openPair({ timings: { firstRetryMs: 10, lastRetryMs: 20 } });
    const { a, b } = pair;
    await a.connect(b);
    await b.isOpenTo(a);
    await using idle = await rawClient(b.port, { seed: a.machineSeed });
    const isIdleCut = closed(idle);
    a.send(b, "before");
    await eventually("it works", () => b.received.length === 1);
    b.transport.setPeers([]);
    expect(b.transport.isOpenTo(a.publicKey)).toBe(false);
    expect(b.send(a, "too late")).toBe(false);
    await isIdleCut;
    await a.isClosedTo(b);
    await eventually("it tries again in vain", () =>
      a.transport.attemptsOf(b.publicKey).some(({ reason }) => reason === "the log-in was refused"),
    );
    expect(b.received).toEqual(["before"]);
    expect(b.changes.map(({ isOpen }) => isOpen)).toEqual([true, false]);
    introduce(a, b);
    await a.connect(b);
  });

  it("a peer with a new machine key is cut off with the old one, and let in with the new", async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    await a.connect(b);
    await b.isOpenTo(a);
    const seed = randomBytes(32);
    b.transport.setPeers([a.entry({ machineKey: machineKeyOfSeed(seed) })]);
    expect(b.transport.isOpenTo(a.publicKey)).toBe(false);
    await expect(rawClient(b.port, { seed: a.machineSeed })).rejects.toThrow("authentication methods failed");
    await using client = await rawClient(b.port, { seed });
    await subsystem(client);
    await b.isOpenTo(a);
  });

  it("the own machine key is never a peer's", async () => {
    await using node = await SshNode.open();
    node.transport.setPeers([node.entry()]);
    await expect(rawClient(node.port, { seed: node.machineSeed })).rejects.toThrow("authentication methods failed");
  });
});

describe("a peer that is logged in gets the subsystem and nothing else", { timeout: 30_000 }, () => {
  const attempts: [string, (client: Client, done: (failure: unknown) => void) => void][] = [
    ["a shell", (client, done) => client.shell(done)],
    ["a shell without a terminal", (client, done) => client.shell(false, done)],
    ["a command", (client, done) => client.exec("id", done)],
    [
      "a command with a terminal and variables",
      (client, done) => client.exec("id", { pty: true, env: { A: "b" } }, done),
    ],
    ["SFTP", (client, done) => client.sftp(done)],
    ["another subsystem", (client, done) => client.subsys("mesh-datagram@2", done)],
    ["a TCP connection", (client, done) => client.forwardOut("127.0.0.1", 1, "127.0.0.1", 22, done)],
    ["a listening TCP port", (client, done) => client.forwardIn("127.0.0.1", 0, done)],
    ["a Unix socket", (client, done) => client.openssh_forwardOutStreamLocal("/run/x", done)],
    ["a listening Unix socket", (client, done) => client.openssh_forwardInStreamLocal("/run/x", done)],
  ];

  it.each(attempts)("not %s", async (_, attempt) => {
    await using pair = await openPair();
    const { a, b } = pair;
    await using client = await rawClient(a.port, { seed: b.machineSeed });
    const failure = await new Promise((resolve) => attempt(client, resolve));
    expect(failure).toBeInstanceOf(Error);
    expect(a.changes).toEqual([]);
  });

  it("not a second session, and not the subsystem twice", async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    await using client = await rawClient(a.port, { seed: b.machineSeed });
    const channel = await subsystem(client);
    await expect(subsystem(client)).rejects.toThrow("Channel open failure");
    await expect(new Promise((_, reject) => client.exec("id", reject))).rejects.toThrow("Channel open failure");
    channel.write(frame("still works"));
    await eventually("it arrives", () => a.received[0] === "still works");
  });
});

describe("frames that are none of ours", { timeout: 30_000 }, () => {
  const open = async (a: SshNode, b: SshNode): Promise<[Client & AsyncDisposable, ClientChannel]> => {
    const client = await rawClient(a.port, { seed: b.machineSeed });
    return [client, await subsystem(client)];
  };

  it("are passed over and counted, and the next one arrives", async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    const [client, channel] = await open(a, b);
    await using _ = client;
    channel.write(frame("x".repeat(MAX_PIPE_DATAGRAM_BYTES + 1)));
    channel.write(frame("x".repeat(65_535)));
    channel.write(frame(""));
    channel.write(frame("good"));
    await eventually("the good one arrives", () => a.received.length === 1);
    expect(a.received).toEqual(["good"]);
    expect(a.transport.stats.malformedFrames).toBe(3);
  });

  it("are counted when the stream ends within one", async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    const [client, channel] = await open(a, b);
    await using _ = client;
    channel.end(frame("cut short").subarray(0, 5));
    await eventually("it is counted", () => a.transport.stats.malformedFrames === 1);
    expect(a.received).toEqual([]);
  });
});

describe("connections that do not log in", { timeout: 30_000 }, () => {
  it("are closed after a while", async () => {
    await using node = await SshNode.open({ timings: { handshakeMs: 100 } });
    const socket = await silentSocket(node.port);
    await isClosed(socket);
    expect(node.transport.stats.refusedConnections).toBe(1);
  });

  it("are closed as well when they log in and open nothing", async () => {
    await using pair = await openPair({ timings: { handshakeMs: 300 } });
    await using client = await rawClient(pair.a.port, { seed: pair.b.machineSeed });
    await closed(client);
  });

  it("are closed when they send more than a log-in takes", async () => {
    await using node = await SshNode.open();
    const socket = await silentSocket(node.port);
    socket.write("SSH-2.0-flood\r\n");
    socket.write(Buffer.alloc(128 * 1024, "x\r\n"));
    await isClosed(socket);
  });

  it("are limited for each source", async () => {
    await using node = await SshNode.open({ limits: { pendingPerSource: 2 }, timings: { penaltyMs: 0 } });
    const [first, second, third] = [
      await silentSocket(node.port),
      await silentSocket(node.port),
      await silentSocket(node.port),
    ];
    await isClosed(third);
    expect(first.readableEnded || second.readableEnded).toBe(false);
    first.destroy();
    await eventually("there is room again", async () => {
      const next = await silentSocket(node.port);
      return new Promise<boolean>((resolve) => {
        next.once("data", () => resolve(true));
        next.once("close", () => resolve(false));
      }).finally(() => next.destroy());
    });
    second.destroy();
  });

  it("give way to new ones when there are too many in all", async () => {
    await using pair = await openPair({ limits: { pending: 2 } });
    const { a, b } = pair;
    const first = await silentSocket(a.port);
    const second = await silentSocket(a.port);
    await b.connect(a);
    await isClosed(first);
    expect(second.readableEnded).toBe(false);
    second.destroy();
  });

  it("do not keep a peer out", async () => {
    await using pair = await openPair({
      listen: [
        { host: "127.0.0.1", port: 0 },
        { host: "::1", port: 0 },
      ],
    });
    const { a, b } = pair;
    const flood = await Promise.all(Array.from({ length: 40 }, () => silentSocket(a.port)));
    // From another source, since the flood has used up what its own may have.
    b.transport.setPeers([a.entry({ sshEndpoints: a.endpoints.slice(1) })]);
    await b.connect(a);
    for (const socket of flood) socket.destroy();
  });
});
