import { expect } from "vitest";
import { openTcp } from "../../src/host/tcp.ts";
import { type Pipe, PipeTable } from "../../src/router/tunnel/pipe-table.ts";
import type { DatagramTransport } from "../../src/transports/datagram-transport.ts";
import { EndpointRecord } from "../../src/transports/endpoint-record.ts";
import { MemoryNetwork } from "../../src/transports/memory/memory-transport.ts";
import { PipeEnd } from "../../src/transports/pipe/pipe-end.ts";
import { PipeRing } from "../../src/transports/pipe/pipe-ring.ts";
import { openUdpSockets, UdpTransport } from "../../src/transports/udp/udp-transport.ts";
import { FreezingLink } from "./freezing-link.ts";
import { RelayFixture } from "./relay/relay-fixture.ts";
import { soon } from "./soon.ts";
import { SshNode } from "./ssh/ssh-node.ts";

/** Two transports that reach each other, as the data thread has them, and how each addresses the other. */
export interface TransportPair {
  readonly left: DatagramTransport;
  /** Another one after `breakOff` and `goSilent`, where the end itself was what went. */
  readonly right: DatagramTransport;
  readonly toLeft: EndpointRecord;
  readonly toRight: EndpointRecord;
  /** Whatever connects them breaks, and both ends are told, if there is somebody to tell. */
  breakOff(): void;
  /** The way between them, or the right end, goes without a word. */
  goSilent(): void;
  /** Lets them find each other again after either. */
  comeBack(): void;
  close(): Promise<void>;
}

export function memoryPair(): Promise<TransportPair> {
  const network = new MemoryNetwork();
  const left = network.attach({ address: "192.0.2.1", port: 51_820 });
  const right = network.attach({ address: "2001:db8::2", port: 51_820 });
  const cut = () => {
    network.deliver = () => false;
  };
  return Promise.resolve({
    left,
    right,
    toLeft: recordOf("192.0.2.1", 51_820),
    toRight: recordOf("2001:db8::2", 51_820),
    breakOff: cut,
    goSilent: cut,
    comeBack: () => {
      network.deliver = () => true;
    },
    close: async () => {
      left.close();
      right.close();
    },
  });
}

/** The rings alone: two threads of one process, which cannot lose each other. */
export function ringPair(): Promise<TransportPair> {
  const [forth, back] = [new PipeRing(), new PipeRing()];
  const notify = () => {};
  const left = new PipeEnd({ outbound: forth, inbound: back, notify });
  const right = new PipeEnd({ outbound: back, inbound: forth, notify });
  return Promise.resolve({
    left,
    right,
    toLeft: recordOfPipe(1),
    toRight: recordOfPipe(1),
    breakOff: () => {},
    goSilent: () => {},
    comeBack: () => {},
    close: async () => {
      left.close();
      right.close();
    },
  });
}

export function udpPair(loopback: string, segmentation: boolean): Promise<TransportPair> {
  const open = (port: number) => {
    const opened = openUdpSockets({ port, fwmark: 0 });
    return new UdpTransport({ ...opened, sockets: opened.sockets.map((socket) => ({ ...socket, segmentation })) });
  };
  const left = open(0);
  let right = open(0);
  const { port } = right;
  return Promise.resolve({
    left,
    get right() {
      return right;
    },
    toLeft: recordOf(loopback, left.port),
    toRight: recordOf(loopback, port),
    breakOff: () => right.close(),
    goSilent: () => right.close(),
    comeBack: () => {
      right = open(port);
    },
    close: async () => {
      left.close();
      right.close();
    },
  });
}

export async function relayPair(): Promise<TransportPair> {
  const relay = await RelayFixture.start();
  const link = await FreezingLink.to(relay.port);
  const connect = (signal: AbortSignal) => openTcp(link.dial, { host: "127.0.0.1", port: relay.port }, signal);
  const end = (): PipedEnd => {
    const keys = relay.policy.add("peer");
    const limits = { pingIntervalMs: 50, silenceMs: 400 };
    const table = newPipeTable();
    const { handlers, add } = table.handlers();
    add(relay.client(keys, { handlers, limits, connect }).transport);
    return { table, key: keys.wireguardKey };
  };
  return overPipes(end(), end(), {
    breakOff: () => relay.breakConnections(),
    goSilent: () => link.freeze(),
    close: async () => {
      await relay[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
    },
  });
}

export async function sshPair(): Promise<TransportPair> {
  const timings = { keepaliveMs: 50, deadAfterMs: 400, firstRetryMs: 20, lastRetryMs: 100 };
  const open = async () => {
    const table = newPipeTable();
    const { handlers, add } = table.handlers();
    const node = await SshNode.open({ timings, dependencies: { handlers } });
    add(node.transport);
    return { table, key: node.publicKey, node, link: await FreezingLink.to(node.port) };
  };
  const [left, right] = [await open(), await open()];
  left.node.transport.setPeers([right.node.entry({ sshEndpoints: [`127.0.0.1:${right.link.port}`] })]);
  right.node.transport.setPeers([left.node.entry({ sshEndpoints: [`127.0.0.1:${left.link.port}`] })]);
  const ends = [left, right];
  return overPipes(left, right, {
    breakOff: () => {
      for (const { node } of ends) for (const socket of node.dialled) socket.destroy();
    },
    goSilent: () => {
      for (const { link } of ends) link.freeze();
    },
    close: async () => {
      for (const { node } of ends) await node.transport.close();
      for (const { link } of ends) await link[Symbol.asyncDispose]();
    },
  });
}

/** A control thread's end of the pipes, and by which key the other end has it. */
interface PipedEnd {
  readonly table: PipeTable;
  readonly key: string;
}

function newPipeTable(): PipeTable {
  return new PipeTable({ isPeer: () => true, wake: () => {}, onChange: () => {} });
}

/** Two ends of one pipe, connected, as their data threads have them: through the rings. */
async function overPipes(
  left: PipedEnd,
  right: PipedEnd,
  { close, ...interruptions }: Pick<TransportPair, "breakOff" | "goSilent" | "close">,
): Promise<TransportPair> {
  const [leftEnd, rightEnd] = [left, right].map(
    ({ table }) =>
      new PipeEnd({
        outbound: table.fromData,
        inbound: table.toData,
        notify: () => setImmediate(() => table.drain()),
      }),
  ) as [PipeEnd, PipeEnd];
  const [pipeToRight] = left.table.pipesTo(right.key) as [Pipe];
  const [pipeToLeft] = right.table.pipesTo(left.key) as [Pipe];
  const want = () => {
    for (const { transport, peer } of [pipeToLeft, pipeToRight]) transport.want(peer);
  };
  // As path selection does for as long as the peers have something to say to each other.
  const wanting = setInterval(want, 20);
  await soon(() => {
    want();
    expect([pipeToLeft, pipeToRight].every(({ transport, peer }) => transport.isOpenTo(peer))).toBe(true);
  });
  for (const { table } of [left, right]) table.drain();
  return {
    left: leftEnd,
    right: rightEnd,
    toLeft: recordOfPipe(pipeToLeft.number),
    toRight: recordOfPipe(pipeToRight.number),
    ...interruptions,
    comeBack: () => {},
    close: async () => {
      clearInterval(wanting);
      leftEnd.close();
      rightEnd.close();
      await close();
    },
  };
}

function recordOf(address: string, port: number): EndpointRecord {
  const record = new EndpointRecord();
  record.set({ address, port });
  return record;
}

function recordOfPipe(pipe: number): EndpointRecord {
  const record = new EndpointRecord();
  record.setPipe(pipe);
  return record;
}
