import { describe, expect, it, onTestFinished } from "vitest";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { ReceivedRun, SendOutcome } from "../../../src/transports/datagram-transport.ts";
import { EndpointRecord } from "../../../src/transports/endpoint-record.ts";
import { openUdpSockets, UdpTransport } from "../../../src/transports/udp/udp-transport.ts";
import { receiveDatagrams } from "../../compliance/transport.ts";

function open(port = 0): UdpTransport {
  const transport = new UdpTransport(openUdpSockets({ port, fwmark: 0 }));
  onTestFinished(() => transport.close());
  return transport;
}

function recordOf(address: string, port: number): EndpointRecord {
  const record = new EndpointRecord();
  record.set({ address, port });
  return record;
}

/** in_pktinfo with this local address. */
function sourceOf(...address: number[]): DataView {
  return new DataView(Uint8Array.of(0, 0, 0, 0, ...address, 0, 0, 0, 0).buffer);
}

const message = new PacketBuffer(64);

describe("UDP transport", () => {
  it("has one port for both families, also when the kernel chooses it", () => {
    const { port, sockets } = openUdpSockets({ port: 0, fwmark: 0 });
    const transport = new UdpTransport({ port, sockets });
    onTestFinished(() => transport.close());
    expect(port).toBeGreaterThan(0);
    expect(sockets.map((socket) => socket.port)).toEqual(sockets.map(() => port));
  });

  it("names a port that is taken", () => {
    const taken = open();
    expect(() => openUdpSockets({ port: taken.port, fwmark: 0 })).toThrow(
      expect.objectContaining({ code: "port-in-use", exitStatus: 6 }),
    );
  });

  it("leaves no socket behind when only the second family fails", () => {
    const v6Only = openUdpSockets({ port: 0, fwmark: 0 }).sockets;
    const transport = new UdpTransport({ port: 0, sockets: v6Only.filter((socket) => socket.family === 10) });
    onTestFinished(() => transport.close());
    const [first] = v6Only;
    new UdpTransport({ port: 0, sockets: v6Only.filter((socket) => socket.family === 2) }).close();
    const port = first!.port;
    expect(() => openUdpSockets({ port, fwmark: 0 })).toThrow(expect.objectContaining({ code: "port-in-use" }));
    transport.close();
    expect(open(port).port).toBe(port);
  });

  it("answers from the address that the peer spoke to", async () => {
    const server = open();
    const client = open();
    const toServer = recordOf("127.0.0.2", server.port);
    expect(client.send(message, 0, 64, 64, toServer)).toBe(SendOutcome.sent);
    const atServer = new ReceivedRun();
    await receiveDatagrams(server, 1, atServer);
    server.send(message, 0, 64, 64, atServer.source);
    const atClient = new ReceivedRun();
    await receiveDatagrams(client, 1, atClient);
    expect(atClient.source.toEndpoint()).toEqual({ address: "127.0.0.2", port: server.port });
  });

  it.each([1, 3])("gives up a local address that is gone, and sends all the same (%i datagrams)", async (count) => {
    const server = open();
    const client = open();
    const toServer = recordOf("127.0.0.1", server.port);
    toServer.setSourceV4(sourceOf(192, 0, 2, 99), 0);
    const segmentBytes = 64 / 4;
    expect(client.send(message, 0, segmentBytes * count, segmentBytes, toServer)).toBe(SendOutcome.sent);
    expect(await receiveDatagrams(server, count)).toHaveLength(count);
    expect(toServer.sourceControlBytes).toBe(0);
  });

  it("survives destinations that cannot be", () => {
    const transport = open();
    expect(transport.send(message, 0, 64, 64, recordOf("255.255.255.255", 9))).toBe(SendOutcome.unreachable);
    expect(transport.send(message, 0, 64, 64, new EndpointRecord())).toBe(SendOutcome.unreachable);
    expect(transport.stats.sendFailures).toBe(2);
    expect(transport.receive(new ReceivedRun())).toBe(false);
  });

  it("passes over an empty datagram", async () => {
    const server = open();
    const client = open();
    const toServer = recordOf("127.0.0.1", server.port);
    client.send(message, 0, 0, 1, toServer);
    client.send(message, 0, 48, 48, toServer);
    expect(await receiveDatagrams(server, 1)).toEqual([new Uint8Array(48)]);
    expect(server.stats.receiveFailures).toBe(1);
  });

  it("works with one family alone, and calls the other unreachable", async () => {
    const { port, sockets } = openUdpSockets({ port: 0, fwmark: 0 });
    for (const socket of sockets.filter(({ family }) => family === 10))
      new UdpTransport({ port, sockets: [socket] }).close();
    const transport = new UdpTransport({ port, sockets: sockets.filter(({ family }) => family === 2) });
    onTestFinished(() => transport.close());
    expect(transport.send(message, 0, 64, 64, recordOf("::1", port))).toBe(SendOutcome.unreachable);
    expect(transport.send(message, 0, 64, 64, recordOf("127.0.0.1", port))).toBe(SendOutcome.sent);
    expect(await receiveDatagrams(transport, 1)).toHaveLength(1);
  });
});
