import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { openTcp } from "../../../../src/host/tcp.ts";
import { dialByName, markedSocket } from "../../../../src/host/underlay/marked-dial.ts";
import { underlaySockets } from "../../../../src/host/underlay/underlay-sockets.ts";

// Without a mark, which takes privileges; with one: test/lab/firewall-mark.test.ts.

const sockets = underlaySockets(0);
const signal = new AbortController().signal;
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Greets who connects. @returns its port */
async function serve(host: string, port = 0): Promise<number> {
  const server = createServer((socket) => socket.end("hello"));
  servers.push(server);
  sockets.bindListener(server, { host, port });
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function heard(host: string, port: number, dial = sockets.dial): Promise<string> {
  const socket = await openTcp(dial, { host, port }, signal);
  let text = "";
  for await (const chunk of socket) text += chunk;
  return text;
}

describe("sockets that are made outside of Node", () => {
  it("listen and connect over TCP", async () => {
    expect(await heard("127.0.0.1", await serve("127.0.0.1"))).toBe("hello");
  });

  it("reach a name by whichever of its addresses answers", async () => {
    const port = await serve("127.0.0.1");
    const addresses = ["127.0.0.2", "127.0.0.1", "127.0.0.3"];
    expect(
      await heard(
        "name.example",
        port,
        dialByName(markedSocket(0), async () => addresses),
      ),
    ).toBe("hello");
  });

  it("say why none of the addresses does", async () => {
    const port = await serve("127.0.0.1");
    const dial = dialByName(markedSocket(0), async () => ["127.0.0.2", "127.0.0.3"]);
    const failure = await heard("name.example", port, dial).catch((thrown: AggregateError) => thrown);
    expect(failure).toBeInstanceOf(AggregateError);
    expect((failure as AggregateError).errors.map(({ code }) => code)).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
  });

  it("leave nothing open when a dial is given up", async () => {
    const given = AbortSignal.abort(new Error("given up"));
    await expect(openTcp(sockets.dial, { host: "localhost", port: 1 }, given)).rejects.toThrow("given up");
  });

  it("tell by an event that a port is taken", async () => {
    const port = await serve("127.0.0.1");
    await expect(serve("127.0.0.1", port)).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  it("send and receive UDP from the address that they are bound to", async () => {
    const [one, other] = [sockets.openUdp("127.0.0.1"), sockets.openUdp("127.0.0.1")];
    const arrival = once(other, "message");
    one.send("ping", other.address().port, "127.0.0.1");
    const [bytes, { address, port }] = await arrival;
    expect([String(bytes), address, port]).toEqual(["ping", "127.0.0.1", one.address().port]);
    one.close();
    other.close();
  });

  it("throw for an address that is not ours", () => {
    expect(() => sockets.openUdp("192.0.2.1")).toThrow(expect.objectContaining({ code: "EADDRNOTAVAIL" }));
  });
});
