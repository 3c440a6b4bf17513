import { EndpointRecord } from "../../src/transports/endpoint-record.ts";
import { MemoryNetwork } from "../../src/transports/memory/memory-transport.ts";
import { PipeEnd } from "../../src/transports/pipe/pipe-end.ts";
import { PipeRing } from "../../src/transports/pipe/pipe-ring.ts";
import { openUdpSockets, UdpTransport } from "../../src/transports/udp/udp-transport.ts";
import { datagramTransportSuite, type TransportPair } from "./datagram-transport.ts";

function recordOf(address: string, port: number): EndpointRecord {
  const record = new EndpointRecord();
  record.set({ address, port });
  return record;
}

function memoryPair(): TransportPair {
  const network = new MemoryNetwork();
  const left = network.attach({ address: "192.0.2.1", port: 51_820 });
  const right = network.attach({ address: "2001:db8::2", port: 51_820 });
  return {
    left,
    right,
    toLeft: recordOf("192.0.2.1", 51_820),
    toRight: recordOf("2001:db8::2", 51_820),
    close: () => {
      left.close();
      right.close();
    },
  };
}

/** Each end's number for the pipe to the other is the same. */
function pipePair(): TransportPair {
  const [forth, back] = [new PipeRing(), new PipeRing()];
  const notify = () => {};
  const left = new PipeEnd({ outbound: forth, inbound: back, notify });
  const right = new PipeEnd({ outbound: back, inbound: forth, notify });
  const pipe = new EndpointRecord();
  pipe.setPipe(1);
  return {
    left,
    right,
    toLeft: pipe,
    toRight: pipe,
    close: () => {
      left.close();
      right.close();
    },
  };
}

function udpPair(loopback: string, segmentation: boolean): TransportPair {
  const open = () => {
    const opened = openUdpSockets({ port: 0, fwmark: 0 });
    return new UdpTransport({ ...opened, sockets: opened.sockets.map((socket) => ({ ...socket, segmentation })) });
  };
  const left = open();
  const right = open();
  return {
    left,
    right,
    toLeft: recordOf(loopback, left.port),
    toRight: recordOf(loopback, right.port),
    close: () => {
      left.close();
      right.close();
    },
  };
}

datagramTransportSuite("memory", memoryPair);
datagramTransportSuite("a pipe between two threads", pipePair);
datagramTransportSuite("UDP over IPv4", () => udpPair("127.0.0.1", true));
datagramTransportSuite("UDP over IPv6", () => udpPair("::1", true));
datagramTransportSuite("UDP over IPv4 without segmentation offload", () => udpPair("127.0.0.1", false));
