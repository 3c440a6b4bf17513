import { beforeEach, describe, expect, it } from "vitest";
import { compileFilter } from "../../../src/filter/compile.ts";
import type { ResolvedRule } from "../../../src/filter/policy.ts";
import { MemoryNetwork } from "../../../src/transports/memory/memory-transport.ts";
import { policy, rule } from "../filter/filtered-host.ts";
import { ACK, buildPacket, bytesOf, checksumsAreGood, frameOf, RST, SYN, TCP, UDP } from "../packet/wire.ts";
import { ADDRESSES, acquaintedPair, installSession, ManualClock, type PlaneNode } from "./plane-node.ts";

const PORT = 22;
const onPort = (fields: Partial<ResolvedRule>) => rule({ ports: [{ first: PORT, last: PORT }], slot: 5, ...fields });

let clock: ManualClock;
let left: PlaneNode;
let right: PlaneNode;

function connect(options: { leftRules?: ResolvedRule[]; rightRules?: ResolvedRule[]; oneWay?: "self" | "peer" }): void {
  const { leftRules = [], rightRules = [], oneWay } = options;
  ({ left, right } = acquaintedPair(new MemoryNetwork(), clock, {
    leftFilter: policy({ rules: leftRules, ...(oneWay === undefined ? {} : { oneWay: new Map([[0, oneWay]]) }) }),
    rightFilter: policy({ rules: rightRules }),
  }));
  installSession(left, right, { createdAtMs: clock.nowMs });
  left.apply({ type: "send-staged", peer: 0 });
  right.drain();
}

const ends = (version: 4 | 6) => ({
  source: version === 4 ? ADDRESSES.left4 : ADDRESSES.left6,
  destination: version === 4 ? ADDRESSES.right4 : ADDRESSES.right6,
  sourcePort: 50_000,
  destinationPort: PORT,
});

function send(packet: Uint8Array): void {
  left.tun.injectPacket(packet);
  left.drain();
  right.drain();
  left.drain();
}

beforeEach(() => {
  clock = new ManualClock();
});

describe.each([4, 6] as const)("a filtered IPv%d packet", (version) => {
  const syn = buildPacket({ version, protocol: TCP, ...ends(version), tcpFlags: SYN, sequence: 41 });
  const datagram = buildPacket({ version, protocol: UDP, ...ends(version), payload: bytesOf(100) });

  it("is dropped and counted, at either end", () => {
    connect({
      leftRules: [onPort({ action: "deny", direction: "out", protocol: "udp" })],
      rightRules: [onPort({ action: "deny" })],
    });
    for (const packet of [syn, datagram]) send(packet);
    expect([left.drops(), right.drops()]).toEqual([{ "out-filtered": 1 }, { "in-filtered": 1 }]);
    expect([left, right].map(({ counters }) => counters.dropsOf(0))).toEqual([left.drops(), right.drops()]);
    expect([left.takePackets(), right.takePackets()]).toEqual([[], []]);
    expect([left.filterCells.hits(5), right.filterCells.hits(5)]).toEqual([1, 1]);
  });

  it.each(["in", "out"] as const)("is answered where it is rejected, by a rule for what goes %s", (direction) => {
    const rules = [onPort({ action: "reject", direction })];
    connect(direction === "in" ? { rightRules: rules } : { leftRules: rules });
    send(syn);
    const [reset] = left.takePackets();
    const transport = version === 4 ? 20 : 40;
    const view = new DataView(reset!.buffer, reset!.byteOffset);
    expect(checksumsAreGood(reset!)).toBe(true);
    expect([view.getUint16(transport), view.getUint16(transport + 2)]).toEqual([PORT, 50_000]);
    expect([view.getUint32(transport + 4), view.getUint32(transport + 8)]).toEqual([0, 42]);
    expect(reset![transport + 13]).toBe(RST | ACK);
    send(datagram);
    const [error] = left.takePackets();
    expect(checksumsAreGood(error!)).toBe(true);
    expect([error![transport], error![transport + 1]]).toEqual(version === 4 ? [3, 13] : [1, 1]);
  });

  it("is never answered as a reset, and others at a bounded rate only", () => {
    connect({ rightRules: [onPort({ action: "reject" })] });
    send(buildPacket({ version, protocol: TCP, ...ends(version), tcpFlags: RST | ACK }));
    expect(left.takePackets()).toEqual([]);
    for (let i = 0; i < 200; i++) send(datagram);
    // The reset took one of the burst.
    expect(left.takePackets()).toHaveLength(49);
    expect(right.drops()).toEqual({ "in-filtered": 201 });
  });

  it("over a one-way association fails at once at the end that may not start, and is dropped at the other", () => {
    connect({ oneWay: "peer" });
    send(syn);
    expect(left.drops()).toEqual({ "out-one-way": 1 });
    expect(left.takePackets()).toHaveLength(1);
    connect({});
    right.apply({ type: "use-filter", program: compileFilter(policy({ oneWay: new Map([[0, "self"]]) })) });
    send(syn);
    expect(right.drops()).toEqual({ "in-one-way": 1 });
    expect(left.takePackets()).toEqual([]);
  });

  it("counts once as a superpacket", () => {
    connect({ leftRules: [onPort({ direction: "out" })] });
    const bulk = buildPacket({ version, protocol: TCP, ...ends(version), payload: bytesOf(20_000) });
    left.tun.inject(frameOf(bulk, 1200));
    left.drain();
    right.drain();
    expect(right.takePackets().length).toBeGreaterThan(10);
    expect(left.filterCells.hits(5)).toBe(1);
  });
});
