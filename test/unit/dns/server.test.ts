import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Asker } from "../../../src/dns/asker.ts";
import { Responder } from "../../../src/dns/responder.ts";
import { TCP_LIMITS } from "../../../src/dns/server/constants.ts";
import { TcpListener } from "../../../src/dns/server/tcp-listener.ts";
import { UdpListener } from "../../../src/dns/server/udp-listener.ts";
import { Zone } from "../../../src/dns/zone/zone.ts";
import { decode, lines, queryBytes, type Reply } from "../../support/dns/messages.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";

const zone = new Zone(networkMap([mapPeer("alice", 2)]));
/** Answers to names of others wait until the test lets them go. */
let release: (() => void)[] = [];
const responder = new Responder({
  zone: () => zone,
  servesPeers: () => false,
  forwarder: {
    resolve: () =>
      new Promise((resolve) => {
        const nobody = { answer: undefined, ageSeconds: 0, server: undefined, isCached: false, failures: [] };
        release.push(() => resolve(nobody));
      }),
  },
});

let asker: Asker | undefined = "host";
let udp: UdpListener;
let tcp: TcpListener;
let port: number;
beforeEach(async () => {
  asker = "host";
  release = [];
  const options = { address: "127.0.0.1", responder, askerAt: () => asker };
  udp = await UdpListener.open({ ...options, port: 0 });
  port = udp.port;
  tcp = await TcpListener.open({ ...options, port });
});
afterEach(async () => {
  await udp[Symbol.asyncDispose]();
  await tcp[Symbol.asyncDispose]();
});

/** The replies that come before the connection ends, or as many as are wanted. */
function replies(socket: Socket, wanted: number): Promise<Reply[]> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const found: Reply[] = [];
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        found.push(decode(bytes.subarray(2, 2 + bytes.readUInt16BE(0))));
        bytes = bytes.subarray(2 + bytes.readUInt16BE(0));
      }
      if (found.length >= wanted) resolve(found);
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(found));
  });
}
const framed = (message: Buffer) => Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe("over UDP", () => {
  it("answers whom it knows, and is silent to others", async () => {
    const socket = createSocket("udp4");
    const reply = new Promise<Buffer>((resolve) => socket.once("message", resolve));
    asker = undefined;
    await new Promise<void>((resolve) =>
      socket.send(queryBytes("alice.mesh", "A", { id: 1 }), port, "127.0.0.1", () => resolve()),
    );
    // The first is read before the second, which is another's.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 20));
    asker = "host";
    socket.send(queryBytes("alice.mesh", "A", { id: 2 }), port, "127.0.0.1");
    expect(decode(await reply)).toMatchObject({ id: 2, answers: [{ data: "10.86.0.2" }] });
    socket.close();
  });
});

describe("over TCP (RFC 7766)", () => {
  it("answers many queries of one connection, sent together and in pieces of a byte", async () => {
    const socket = connect(port, "127.0.0.1");
    const got = replies(socket, 3003);
    const many = Array.from({ length: 3000 }, (_, i) => framed(queryBytes("alice.mesh", "A", { id: i })));
    socket.write(Buffer.concat(many));
    for (const id of [3000, 3001, 3002]) {
      for (const byte of framed(queryBytes("alice.mesh", "AAAA", { id }))) socket.write(Buffer.from([byte]));
    }
    const found = await got;
    expect(found.map(({ id }) => id)).toEqual(Array.from({ length: 3003 }, (_, i) => i));
    expect(lines(found.at(-1)!.answers)).toEqual(["alice.mesh AAAA fd86::2"]);
    socket.destroy();
  });

  it("what is known at once does not wait for what others are asked; who has asked all may say so", async () => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const got = replies(socket, 2);
    socket.end(
      Buffer.concat([
        framed(queryBytes("example.com", "A", { id: 1 })),
        framed(queryBytes("alice.mesh", "A", { id: 2 })),
      ]),
    );
    await until(() => release.length === 1);
    release[0]!();
    expect((await got).map(({ id, rcode }) => [id, rcode])).toEqual([
      [2, "NOERROR"],
      [1, "SERVFAIL"],
    ]);
  });

  it("reads no more than it works on at a time", async () => {
    const socket = connect(port, "127.0.0.1");
    const got = replies(socket, TCP_LIMITS.underWay + 5);
    for (let id = 0; id < TCP_LIMITS.underWay + 5; id++)
      socket.write(framed(queryBytes(`n${id}.example`, "A", { id })));
    await until(() => release.length === TCP_LIMITS.underWay);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(release).toHaveLength(TCP_LIMITS.underWay);
    for (let i = 0; i < TCP_LIMITS.underWay + 5; i++) {
      await until(() => release.length > i);
      release[i]!();
    }
    expect(await got).toHaveLength(TCP_LIMITS.underWay + 5);
    socket.destroy();
  });

  it.each([
    ["a query longer than any that could be answered", Buffer.from([0xff, 0xff, 0])],
    ["a response", framed(Buffer.from(queryBytes("alice.mesh", "A", { flags: 0x8000 })).fill(0x80, 2, 3))],
    ["less than a header", framed(Buffer.from([1, 2, 3]))],
  ])("ends a connection that sends %s", async (_, bytes) => {
    const socket = connect(port, "127.0.0.1");
    const got = replies(socket, 1);
    socket.write(bytes);
    expect(await got).toEqual([]);
  });

  it("has so many connections at once, and none for whom it does not know", async () => {
    const open = (count: number) =>
      Array.from({ length: count }, () => {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => {});
        return socket;
      });
    const sockets = open(TCP_LIMITS.connections + 4);
    await until(() => sockets.filter(({ destroyed }) => destroyed).length === 4);
    for (const socket of sockets) socket.destroy();
    // One peer cannot take them all.
    asker = "peer";
    const ofPeer = open(TCP_LIMITS.connectionsOfPeer + 2);
    await until(() => ofPeer.filter(({ destroyed }) => destroyed).length === 2);
    for (const socket of ofPeer) socket.destroy();
    asker = undefined;
    const [stranger] = open(1);
    await new Promise((resolve) => stranger!.once("close", resolve));
  });
});
