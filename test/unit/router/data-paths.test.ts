import { describe, expect, it } from "vitest";
import { PathCell } from "../../../src/router/shared/path-cells.ts";
import { MemoryNetwork } from "../../../src/transports/memory/memory-transport.ts";
import { PipeRing } from "../../../src/transports/pipe/pipe-ring.ts";
import { buildPacket, bytesOf, type PacketSpec, UDP as UDP_PROTOCOL } from "../packet/wire.ts";
import { installSession, ManualClock, PlaneNode } from "./plane-node.ts";

const UDP = 3;
const PIPE = 5;
/** The pipe between the two, by the same number at both ends. */
const PIPE_NUMBER = 7;

const ANSWER = { source: Uint8Array.of(10, 0, 0, 2), destination: Uint8Array.of(10, 0, 0, 1) };

function packetOf(payloadBytes: number, addresses: Partial<PacketSpec> = {}): Uint8Array {
  return buildPacket({ version: 4, protocol: UDP_PROTOCOL, payload: bytesOf(payloadBytes), ...addresses });
}

/** Two nodes with paths: UDP by the network, a pipe by rings; `left` sends by `primary` and `second`. */
function pathsPair() {
  const network = new MemoryNetwork();
  const clock = new ManualClock();
  const rings = [new PipeRing(), new PipeRing()] as const;
  const node = (address: string, outbound: PipeRing, inbound: PipeRing) =>
    new PlaneNode({
      network,
      clock,
      address: { address, port: 51_820 },
      pipes: { outbound, inbound, notify: () => {} },
    });
  const left = node("192.0.2.1", rings[0], rings[1]);
  const right = node("192.0.2.2", rings[1], rings[0]);
  const sides = [
    { node: left, other: right, cidrs: ["10.0.0.2/32"] },
    { node: right, other: left, cidrs: ["10.0.0.1/32"] },
  ];
  for (const { node, other, cidrs } of sides) {
    node.apply(
      { type: "add-peer", peer: 0, hasPaths: true },
      { type: "set-path", peer: 0, path: UDP, endpoint: other.address },
      { type: "set-path", peer: 0, path: PIPE, endpoint: { pipe: PIPE_NUMBER } },
      { type: "use-paths", peer: 0, primary: PIPE, second: null },
    );
    node.allow(0, ...cidrs);
  }
  installSession(left, right, { createdAtMs: clock.nowMs });
  left.apply({ type: "send-keepalive", peer: 0 });
  right.drain();
  const use = (primary: number | null, second: number | null = null) =>
    left.apply({ type: "use-paths", peer: 0, primary, second });
  const send = (payloadBytes = 100) => {
    const packet = packetOf(payloadBytes);
    left.tun.injectPacket(packet);
    left.drain();
    right.drain();
    return packet;
  };
  const received = (path: number) => ({
    data: right.pathCells.get(0, path, PathCell.rxData),
    large: right.pathCells.get(0, path, PathCell.rxLarge),
  });
  return { network, clock, left, right, rings, use, send, received };
}

describe("a peer with paths", () => {
  it.each([UDP, PIPE])("gets packets by the path that was chosen, %i", (path) => {
    const { right, use, send, received, left } = pathsPair();
    use(path);
    const packets = [send(), send(1200)];
    expect(right.takePackets()).toEqual(packets);
    expect(received(path)).toEqual({ data: 2, large: 1 });
    expect(received(path === UDP ? PIPE : UDP)).toEqual({ data: 0, large: 0 });
    expect(left.pathCells.get(0, path, PathCell.txData)).toBe(2);
    expect(left.pathCells.get(0, path, PathCell.txLarge)).toBe(1);
  });

  it("shows its packets to nobody whom a pipe leads through: a relay, a jump host", () => {
    const { left, right, rings } = pathsPair();
    const secret = Buffer.from("nobody on the way may read this line".repeat(20));
    const packet = buildPacket({ version: 4, protocol: UDP_PROTOCOL, payload: secret });
    left.tun.injectPacket(packet);
    left.drain();
    const carried = Buffer.from(rings[0].buffer);
    for (const part of [secret.subarray(0, 16), packet.subarray(12, 20)]) expect(carried.indexOf(part)).toBe(-1);
    right.drain();
    expect(right.takePackets()).toEqual([packet]);
  });

  it("gets every packet twice while a second path is used, and delivers it once; both paths are credited", () => {
    const { right, use, send, received } = pathsPair();
    use(UDP, PIPE);
    const packets = [send(), send()];
    expect(right.takePackets()).toEqual(packets);
    expect(received(UDP)).toEqual({ data: 2, large: 0 });
    expect(received(PIPE)).toEqual({ data: 2, large: 0 });
    expect(right.drops()).toEqual({ "in-replayed": 2 });
  });

  it("still gets them when the first of the two paths is dead", () => {
    const { network, right, use, send } = pathsPair();
    network.deliver = () => false;
    use(UDP, PIPE);
    const packet = send();
    expect(right.takePackets()).toEqual([packet]);
  });

  it("never changes the path by what arrives", () => {
    const { left, right, use, send } = pathsPair();
    use(UDP);
    send();
    // The right one answers by its own choice, the pipe.
    const answer = packetOf(10, ANSWER);
    right.tun.injectPacket(answer);
    right.drain();
    left.drain();
    expect(left.takePackets()).toEqual([answer]);
    const before = right.transport.stats.sentDatagrams;
    right.tun.injectPacket(answer);
    right.drain();
    expect(right.transport.stats.sentDatagrams).toBe(before);
    expect([...left.takeEvents("roamed"), ...right.takeEvents("roamed")]).toEqual([]);
  });

  it("that speaks from an unknown address is heard, told of at times, and still answered by the path", () => {
    const { network, clock, left, right, use, send } = pathsPair();
    use(UDP);
    network.move(left.transport, { address: "203.0.113.5", port: 1024 });
    const packets = [send(), send()];
    expect(right.takePackets()).toEqual(packets);
    const stranger = { type: "stranger", peer: 0, endpoint: { address: "203.0.113.5", port: 1024 } };
    expect(right.takeEvents("stranger")).toEqual([stranger]);
    clock.nowMs += 1000;
    send();
    expect(right.takeEvents("stranger")).toEqual([stranger]);
  });

  it("answers a probe by the path it came by, and says what has come by it", () => {
    const { clock, left, right, use, send } = pathsPair();
    use(UDP);
    send(1200);
    for (const path of [UDP, PIPE]) left.apply({ type: "send-probe", peer: 0, path, id: 1, sequence: path });
    clock.nowMs += 4;
    right.drain();
    left.drain();
    const common = { type: "probe-reply", peer: 0, id: 1, rttMs: 4 };
    expect(left.takeEvents("probe-reply")).toEqual([
      {
        ...common,
        sequence: PIPE,
        path: PIPE,
        endpoint: { pipe: PIPE_NUMBER },
        counts: { rxData: 0, rxLarge: 0 },
        isTheirPrimary: true,
        seenFrom: null,
      },
      {
        ...common,
        sequence: UDP,
        path: UDP,
        endpoint: right.address,
        counts: { rxData: 1, rxLarge: 1 },
        isTheirPrimary: false,
        seenFrom: left.address,
      },
    ]);
    expect(right.takeEvents("probe-request")).toEqual([
      { type: "probe-request", peer: 0, path: PIPE, isTheirPrimary: false },
      { type: "probe-request", peer: 0, path: UDP, isTheirPrimary: true },
    ]);
  });

  it("gets what was sent to it without a path in use by the one that is chosen then", () => {
    const { left, right, use, send } = pathsPair();
    use(null);
    const packets = [send(), send(1200)];
    expect(right.takePackets()).toEqual([]);
    expect(left.takeEvents("active")).toHaveLength(1);
    use(UDP);
    right.drain();
    expect(right.takePackets()).toEqual(packets);
    expect([left.drops(), right.drops()]).toEqual([{}, {}]);
  });

  it("loses the path in use with its address, and goes on by the second", () => {
    const { left, right, use, send } = pathsPair();
    use(UDP, PIPE);
    left.apply({ type: "remove-path", peer: 0, path: UDP });
    const packet = send();
    expect(right.takePackets()).toEqual([packet]);
    expect([left.drops(), right.drops()]).toEqual([{}, {}]);
  });

  it("is announced as active with the first packet after a quiet time", () => {
    const { clock, left, use, send } = pathsPair();
    use(UDP);
    send();
    send();
    expect(left.takeEvents("active")).toHaveLength(1);
    clock.nowMs += 1500;
    send();
    expect(left.takeEvents("active")).toHaveLength(1);
  });
});
