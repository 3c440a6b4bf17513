import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import type { ListenAddress } from "../../../src/api/listen-address.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { decodeBinding, encodeBindingRequest } from "../../../src/nat/stun/message.ts";
import { StunServer, withAlternatePort } from "../../../src/nat/stun/stun-server.ts";
import { TRANSACTION_ID } from "./rfc5769.ts";

const open = (...listen: ListenAddress[]) => StunServer.open({ listen }, { clock: systemClock, logger: silentLogger });

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
const LOOPBACKS = hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"];

/** A bound UDP socket of the test's own, on a free port unless told. */
async function udpSocket(host: string, port = 0): Promise<Socket> {
  const socket = createSocket(host.includes(":") ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
  socket.bind(port, host);
  await once(socket, "listening");
  return socket;
}

/** Asks until an answer comes, and returns what it says and from where it came. */
async function ask(host: string, port: number) {
  const socket = await udpSocket(host);
  const send = () => socket.send(encodeBindingRequest(TRANSACTION_ID), port, host);
  const repeat = setInterval(send, 200);
  send();
  const [bytes, source] = await once(socket, "message");
  clearInterval(repeat);
  const own = socket.address().port;
  socket.close();
  return { answer: decodeBinding(bytes), source: [source.address, source.port], own };
}

describe("the STUN server", () => {
  it("answers on every address of a wildcard, on the same free port", async () => {
    await using server = await open({ host: "", port: 0 });
    const port = server.addresses[0]?.port ?? 0;
    expect(server.addresses).toEqual([{ host: "", port: expect.any(Number) }]);
    for (const host of LOOPBACKS) {
      const { answer, source, own } = await ask(host, port);
      const reflexive = { address: host, port: own };
      expect(answer).toEqual({ kind: "success", transactionId: TRANSACTION_ID, reflexive });
      expect(source).toEqual([host, port]);
    }
  });

  it("takes single addresses and host names, and one address twice as once", async () => {
    await using first = await open({ host: "127.0.0.1", port: 0 });
    const port = first.addresses[0]!.port;
    await first.close();
    await using server = await open(
      { host: "0.0.0.0", port },
      { host: "127.0.0.1", port },
      { host: "localhost", port: 0 },
    );
    expect((await ask("127.0.0.1", port)).answer?.kind).toBe("success");
    expect(server.addresses[2]).toMatchObject({ host: expect.stringMatching(/^(127\.0\.0\.1|::1)$/) });
  });

  it("refuses a port that is taken, a host that is not, and leaves nothing open", async () => {
    const taken = await udpSocket("127.0.0.1");
    const free = await udpSocket("127.0.0.1");
    const [takenPort, freePort] = [taken.address().port, free.address().port];
    await new Promise<void>((resolve) => free.close(() => resolve()));
    const all: ListenAddress[] = [
      { host: "127.0.0.1", port: freePort },
      { host: "", port: takenPort },
    ];
    await expect(open(...all)).rejects.toMatchObject({
      code: "port-in-use",
      message: expect.stringContaining(`:${takenPort}/udp`),
      hint: expect.stringContaining("--stun-listen"),
    });
    taken.close();
    const again = await udpSocket("127.0.0.1", freePort);
    again.close();
    await expect(open({ host: "no-such-host.invalid", port: 0 })).rejects.toMatchObject({ code: "bad-config" });
    await expect(open({ host: "192.0.2.1", port: 0 })).rejects.toMatchObject({ code: "bad-config" });
  });

  it("is gone when it is closed, once or twice", async () => {
    const server = await open({ host: "127.0.0.1", port: 0 });
    await server.close();
    await server.close();
    const again = await udpSocket("127.0.0.1", server.addresses[0]!.port);
    again.close();
  });

  it("listens nowhere when there is nothing to listen on", async () => {
    await using server = await open();
    expect(server.addresses).toEqual([]);
  });
});

describe("the alternate port", () => {
  const host = "192.0.2.1";
  it.each<[ListenAddress[], ListenAddress[]]>([
    [[], []],
    [
      [{ host, port: 3478 }],
      [
        { host, port: 3478 },
        { host, port: 3479 },
      ],
    ],
    [
      [{ host, port: 65_535 }],
      [
        { host, port: 65_535 },
        { host, port: 65_534 },
      ],
    ],
    [
      [{ host, port: 0 }],
      [
        { host, port: 0 },
        { host, port: 0 },
      ],
    ],
    [
      [
        { host, port: 1 },
        { host, port: 7 },
      ],
      [
        { host, port: 1 },
        { host, port: 7 },
      ],
    ],
  ])("%j is %j", (listen, expected) => {
    expect(withAlternatePort(listen)).toEqual(expected);
  });
});
