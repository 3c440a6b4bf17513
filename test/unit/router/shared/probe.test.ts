import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "../../../../src/packet/address.ts";
import { PacketBuffer } from "../../../../src/packet/packet-buffer.ts";
import { PROBE_BYTES, ProbeRecord, ProbeType, readProbe, writeProbe } from "../../../../src/router/shared/probe.ts";
import { MemoryNetwork } from "../../../../src/transports/memory/memory-transport.ts";
import { acquaintedPair, indexOf, installSession, ManualClock, sealMessage, sendRaw } from "../plane-node.ts";

/** Up to the stamp. */
const OLDEST_PROBE_BYTES = 24;
const leftToRight = new Uint8Array(32).fill(1);

function probeBytes(type: number, change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const buffer = new PacketBuffer(64);
  const probe = Object.assign(new ProbeRecord(), { type, id: 1, sequence: 2, stampMs: 3.5 });
  writeProbe(buffer, 0, probe);
  change(buffer.bytes);
  return Uint8Array.from(buffer.bytes);
}

describe("the probe codec", () => {
  const fields = fc.record({
    type: fc.constantFrom(ProbeType.echoRequest, ProbeType.echoReply),
    id: fc.nat(0xffff_ffff),
    sequence: fc.nat(0xffff_ffff),
    flags: fc.nat(0xffff_ffff),
    stampMs: fc.double({ noNaN: true }),
    data: fc.nat(0xffff_ffff),
    large: fc.nat(0xffff_ffff),
  });
  const endpoint = fc.record({
    address: fc.oneof(
      fc.ipV4(),
      fc.ipV6().map((text) => formatAddress(parseAddress(text))),
    ),
    port: fc.integer({ min: 1, max: 65_535 }),
  });

  it("reads what it wrote, at any offset and with padding behind", () => {
    fc.assert(
      fc.property(fields, fc.option(endpoint), fc.nat(40), fc.nat(40), (values, seenFrom, offset, padding) => {
        const buffer = new PacketBuffer(160);
        const written = Object.assign(new ProbeRecord(), values);
        if (seenFrom !== null) written.seenFrom.set(seenFrom);
        writeProbe(buffer, offset, written);
        const read = new ProbeRecord();
        read.seenFrom.set({ address: "192.0.2.9", port: 9 });
        expect(readProbe(buffer, offset, PROBE_BYTES + padding, read)).toBe(true);
        const { seenFrom: readFrom, ...readValues } = read;
        expect(readValues).toEqual(values);
        expect(readFrom.toEndpoint()).toEqual(seenFrom);
        const nibble = buffer.bytes[offset]! >> 4;
        expect([4, 6]).not.toContain(nibble);
      }),
    );
  });

  it("reads nothing outside of its bytes, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const buffer = new PacketBuffer(128);
        buffer.bytes.set(bytes, 128 - bytes.length);
        const isProbe = readProbe(buffer, 128 - bytes.length, bytes.length, new ProbeRecord());
        const mayBe = bytes.length >= OLDEST_PROBE_BYTES && bytes[0] === 0xf1;
        expect(isProbe && !mayBe).toBe(false);
      }),
    );
  });

  it("skips fields that a later version of the sender adds at the end", () => {
    const buffer = new PacketBuffer(128);
    writeProbe(buffer, 0, Object.assign(new ProbeRecord(), { type: ProbeType.echoReply, id: 5, data: 6 }));
    buffer.view.setUint16(2, PROBE_BYTES + 16);
    const read = new ProbeRecord();
    expect(readProbe(buffer, 0, PROBE_BYTES + 24, read)).toBe(true);
    expect([read.id, read.data]).toEqual([5, 6]);
    expect(readProbe(buffer, 0, PROBE_BYTES + 15, read)).toBe(false);
  });

  it("takes the fields that an earlier version of the sender has", () => {
    const buffer = new PacketBuffer(64);
    writeProbe(buffer, 0, Object.assign(new ProbeRecord(), { type: ProbeType.echoReply, id: 5, data: 6 }));
    buffer.view.setUint16(2, OLDEST_PROBE_BYTES);
    const read = new ProbeRecord();
    expect(readProbe(buffer, 0, OLDEST_PROBE_BYTES, read)).toBe(true);
    expect([read.id, read.data]).toEqual([5, 0]);
  });
});

describe("echo probes", () => {
  function connected() {
    const clock = new ManualClock();
    const pair = acquaintedPair(new MemoryNetwork(), clock);
    installSession(pair.left, pair.right, { createdAtMs: clock.nowMs });
    pair.left.apply({ type: "send-keepalive", peer: 0 });
    pair.right.drain();
    return { ...pair, clock };
  }

  it("come back through the session with the time they took", () => {
    const { left, right, clock } = connected();
    left.apply({ type: "send-probe", peer: 0, path: null, id: 11, sequence: 22 });
    clock.nowMs += 7;
    right.drain();
    left.drain();
    expect(left.takeEvents("probe-reply")).toEqual([
      {
        type: "probe-reply",
        peer: 0,
        id: 11,
        sequence: 22,
        rttMs: 7,
        endpoint: right.address,
        path: null,
        counts: null,
        isTheirPrimary: false,
        seenFrom: left.address,
      },
    ]);
    expect([...left.takePackets(), ...right.takePackets()]).toEqual([]);
    expect([left.drops(), right.drops()]).toEqual([{}, {}]);
  });

  it("ask for a handshake where there is no session", () => {
    const { left } = acquaintedPair(new MemoryNetwork(), new ManualClock());
    left.apply({ type: "send-probe", peer: 0, path: null, id: 1, sequence: 1 });
    expect(left.takeEvents("need-handshake")).toHaveLength(1);
    expect(left.transport.stats.sentDatagrams).toBe(0);
  });

  it("of an unknown type or version are counted and ignored", () => {
    const { left, right } = connected();
    const unknown = [
      probeBytes(3),
      probeBytes(ProbeType.echoRequest, (bytes) => {
        bytes[0] = 0xf2;
      }),
      new Uint8Array(16).fill(0xf1),
      new Uint8Array(32),
    ];
    for (const [i, payload] of unknown.entries())
      sendRaw(left.transport, right.address, sealMessage(leftToRight, indexOf(0), 10 + i, payload));
    right.drain();
    expect(right.drops()).toEqual({ "in-unknown-probe": unknown.length });
    expect(right.transport.stats.sentDatagrams).toBe(0);
  });
});
