import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { plainSocket } from "../../../src/host/tcp.ts";
import { GatewayDoor } from "../../../src/nat/port-mapping/upnp/gateway-door.ts";
import { gatewaySearches, locationIn } from "../../../src/nat/port-mapping/upnp/ssdp.ts";

const GATEWAY = "10.0.0.1";
const IGD = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";

function reply(fields: Record<string, string>, status = "HTTP/1.1 200 OK"): Buffer {
  const lines = Object.entries({ ST: IGD, LOCATION: `http://${GATEWAY}:5000/rootDesc.xml`, ...fields });
  return Buffer.from([status, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n"));
}
const locationOf = (bytes: Uint8Array) => locationIn(bytes, GATEWAY)?.href;

describe("the search for a gateway", () => {
  it("asks for both versions of the device", () => {
    const texts = gatewaySearches().map((bytes) => Buffer.from(bytes).toString());
    for (const text of texts)
      expect(text).toMatch(/^M-SEARCH \* HTTP\/1\.1\r\n[\s\S]*MAN: "ssdp:discover"\r\n[\s\S]*\r\n\r\n$/);
    expect(texts.map((text) => /ST: .*:(\d)\r/.exec(text)?.[1])).toEqual(["2", "1"]);
  });

  it("believes a gateway where it describes itself", () => {
    expect(locationOf(reply({}))).toBe("http://10.0.0.1:5000/rootDesc.xml");
    expect(locationOf(reply({ ST: IGD.replace(/1$/, "2") }))).toBe("http://10.0.0.1:5000/rootDesc.xml");
    const oddly = Buffer.from(`HTTP/1.1 200 OK\r\nlocation:http://${GATEWAY}:80/d\r\nsT:  ${IGD} \r\n\r\n`);
    expect(locationOf(oddly)).toBe("http://10.0.0.1/d");
  });

  it.each([
    ["another host", reply({ LOCATION: "http://10.0.0.66:5000/rootDesc.xml" })],
    ["the loopback", reply({ LOCATION: "http://127.0.0.1:8001/" })],
    ["a name", reply({ LOCATION: "http://router.lan/rootDesc.xml" })],
    ["the gateway's address as a user name", reply({ LOCATION: `http://${GATEWAY}@10.0.0.66/` })],
    ["a user at the gateway", reply({ LOCATION: `http://root:root@${GATEWAY}/` })],
    ["a file", reply({ LOCATION: "file:///etc/passwd" })],
    ["TLS", reply({ LOCATION: `https://${GATEWAY}/` })],
    ["nowhere", reply({ LOCATION: "" })],
    ["a printer", reply({ ST: "urn:schemas-upnp-org:device:Printer:1" })],
    ["an error", reply({}, "HTTP/1.1 404 Not Found")],
    ["an announcement", reply({}, "NOTIFY * HTTP/1.1")],
    ["a novel", reply({ SERVER: "x".repeat(4000) })],
  ])("does not go to %s", (_what, bytes) => {
    expect(locationOf(bytes)).toBeUndefined();
  });

  it("survives any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(locationOf(bytes)).toBeUndefined();
      }),
    );
  });
});

describe("the door to a gateway", () => {
  const resources: (() => void)[] = [];
  afterEach(() => {
    for (const close of resources.splice(0)) close();
  });

  /** A gateway that answers each connection so; and a door to it. */
  async function doorTo(
    answer: (socket: Socket) => void,
    limitMs = 10_000,
  ): Promise<{ door: GatewayDoor; gateway: Server }> {
    const gateway = createServer((socket) => {
      socket.on("error", () => undefined);
      answer(socket);
    });
    gateway.listen(0, "127.0.0.1");
    await once(gateway, "listening");
    const { port } = gateway.address() as { port: number };
    const target = { host: "127.0.0.1", port };
    const door = await GatewayDoor.open(target, plainSocket, AbortSignal.timeout(limitMs));
    resources.push(
      () => gateway.close(),
      () => door[Symbol.dispose](),
    );
    return { door, gateway };
  }
  const respond = (text: string) => (socket: Socket) => socket.once("data", () => socket.end(text));

  it("passes requests and answers through", async () => {
    const { door } = await doorTo(respond("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
    expect(await (await fetch(`${door.origin}/rootDesc.xml`)).text()).toBe("hi");
  });

  it("sends nobody elsewhere", async () => {
    const elsewhere = await doorTo(respond("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret"));
    const { door } = await doorTo(
      respond(`HTTP/1.1 302 Found\r\nlocation: ${elsewhere.door.origin}/\r\ncontent-length: 0\r\n\r\n`),
    );
    await expect(fetch(door.origin)).rejects.toThrow();
  });

  it("ends an answer that does not end", async () => {
    const { door } = await doorTo((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const flood = setInterval(() => socket.write(Buffer.alloc(65_536)), 1);
      socket.once("close", () => clearInterval(flood));
    });
    const response = await fetch(door.origin);
    expect((await response.arrayBuffer()).byteLength).toBeLessThanOrEqual(512 * 1024);
  });

  it("closes when its time is up, on a gateway that says nothing", async () => {
    const { door } = await doorTo(() => undefined, 50);
    await expect(fetch(door.origin)).rejects.toThrow();
    await expect(fetch(door.origin)).rejects.toThrow();
  });
});
