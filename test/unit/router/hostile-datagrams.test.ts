import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { UdpEndpoint } from "../../../src/packet/endpoint.ts";
import { MemoryNetwork } from "../../../src/transports/memory/memory-transport.ts";
import { selectHandshakeCrypto } from "../../../src/wireguard/crypto/select.ts";
import { computeMac1, macKeysOf } from "../../../src/wireguard/mac-keys.ts";
import { mac1Offset } from "../../../src/wireguard/messages.ts";
import { buildPacket, bytesOf, UDP } from "../packet/wire.ts";
import {
  ADDRESSES,
  acquaintedPair,
  indexOf,
  installSession,
  ManualClock,
  type PlaneNode,
  sealMessage,
  sendRaw,
} from "./plane-node.ts";

const STRANGER: UdpEndpoint = { address: "203.0.113.5", port: 4444 };
const { crypto } = selectHandshakeCrypto();
const ownKey = bytesOf(32, 9);
const leftToRight = new Uint8Array(32).fill(1);

let network: MemoryNetwork;
let clock: ManualClock;
let left: PlaneNode;
let right: PlaneNode;
/** What went from left to right on the wire. */
let wire: Uint8Array[];

beforeEach(() => {
  network = new MemoryNetwork();
  clock = new ManualClock();
  ({ left, right } = acquaintedPair(network, clock));
  right.apply({ type: "set-identity", publicKey: ownKey });
  installSession(left, right, { createdAtMs: clock.nowMs });
  wire = [];
  network.deliver = (_from, to, bytes) => {
    if (to.address === right.address.address) wire.push(bytes);
    return true;
  };
});

function packet(payload = bytesOf(40)): Uint8Array {
  const { left4: source, right4: destination } = ADDRESSES;
  return buildPacket({ version: 4, protocol: UDP, source, destination, sourcePort: 1, destinationPort: 2, payload });
}

function sendPackets(count: number): void {
  for (let i = 0; i < count; i++) left.tun.injectPacket(packet(bytesOf(40, i)));
  left.drain();
}

function padded(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / 16) * 16);
  result.set(bytes);
  return result;
}

function handshakeMessage(type: 1 | 2, hasMac1: boolean): Uint8Array {
  const bytes = new Uint8Array(type === 1 ? 148 : 92);
  bytes.set(bytesOf(bytes.length - 4, 5), 4);
  bytes[0] = type;
  bytes.fill(0, 4, 8);
  if (hasMac1) bytes.set(computeMac1(crypto, macKeysOf(crypto, ownKey), bytes), mac1Offset(bytes.length));
  return bytes;
}

describe("replay (whitepaper §5.4.6)", () => {
  it("takes a message once, in whatever order they come", () => {
    network.deliver = (_from, _to, bytes) => {
      wire.push(bytes);
      return false;
    };
    for (let i = 0; i < 20; i++) sendPackets(1);
    for (const bytes of [...wire].reverse()) right.receive(left.address, bytes);
    expect(right.takePackets()).toHaveLength(20);
    for (const bytes of wire) right.receive(left.address, bytes);
    expect(right.takePackets()).toEqual([]);
    expect(right.drops()).toEqual({ "in-replayed": 20 });
  });

  it("takes doubles within one row once", () => {
    const double = sealMessage(leftToRight, indexOf(0), 5, padded(packet()));
    for (let i = 0; i < 3; i++) right.transport.enqueue({ from: left.address, bytes: double });
    right.drain();
    expect(right.takePackets()).toHaveLength(1);
    expect(right.drops()).toEqual({ "in-replayed": 2 });
  });

  it("does not move its window for a forgery", () => {
    sendPackets(1);
    right.drain();
    const forged = sealMessage(new Uint8Array(32), indexOf(0), 1_000_000, padded(packet()));
    right.receive(left.address, forged);
    sendPackets(1);
    right.drain();
    expect(right.takePackets()).toHaveLength(2);
    expect(right.drops()).toEqual({ "in-forged": 1 });
  });
});

describe("roaming (whitepaper §2.1)", () => {
  it("follows an authentic message to its source, and answers there", () => {
    sendPackets(1);
    right.drain();
    const elsewhere = { address: "2001:db8::77", port: 1234 };
    network.move(left.transport, elsewhere);
    sendPackets(1);
    right.drain();
    expect(right.takeEvents("roamed")).toEqual([{ type: "roamed", peer: 0, endpoint: elsewhere }]);
    right.apply({ type: "send-keepalive", peer: 0 });
    left.drain();
    expect(left.counters.interface().messagesOpened).toBe(1);
  });

  it("follows neither forged nor replayed nor unknown messages", () => {
    sendPackets(1);
    right.drain();
    const seen = wire[0]!;
    const tampered = Uint8Array.from(seen);
    tampered[20]! ^= 1;
    tampered[8] = 200;
    for (const bytes of [seen, tampered, handshakeMessage(1, true), handshakeMessage(2, false)])
      right.receive(STRANGER, bytes);
    expect(right.takeEvents("roamed")).toEqual([]);
    right.apply({ type: "send-keepalive", peer: 0 });
    left.drain();
    expect(left.counters.interface().messagesOpened).toBe(1);
  });
});

describe("what is no data message", () => {
  it("goes up when its MAC1 is right", () => {
    for (const type of [1, 2] as const) {
      const bytes = handshakeMessage(type, true);
      right.receive(STRANGER, bytes);
      expect(right.takeEvents("datagram")).toEqual([{ type: "datagram", bytes, source: STRANGER }]);
    }
  });

  it("is dropped when its MAC1 is wrong, or we have no identity yet", () => {
    right.receive(STRANGER, handshakeMessage(1, false));
    right.receive(STRANGER, handshakeMessage(2, false));
    left.receive(STRANGER, handshakeMessage(1, true));
    expect(right.drops()).toEqual({ "in-bad-mac1": 2 });
    expect(left.drops()).toEqual({ "in-bad-mac1": 1 });
    expect([...left.messages, ...right.messages]).toEqual([]);
  });

  it("goes up in bounded classes: a flood of one leaves room for the others", () => {
    const initiation = handshakeMessage(1, true);
    for (let i = 0; i < 1000; i++) right.receive(STRANGER, initiation);
    right.receive(STRANGER, handshakeMessage(2, true));
    expect(right.takeEvents("datagram")).toHaveLength(256 + 1);
    expect(right.drops()).toEqual({ "in-queue-full-initiation": 1000 - 256 });
    right.gauge.leave("initiation");
    right.receive(STRANGER, initiation);
    expect(right.takeEvents("datagram")).toHaveLength(1);
  });

  it("is taken for STUN by its cookie first: a success response starts with 0x01 too", () => {
    const stun = new Uint8Array(148);
    stun.set([0x01, 0x01, 0x00, 128, 0x21, 0x12, 0xa4, 0x42]);
    right.receive(STRANGER, stun);
    expect(right.takeEvents("stun")).toEqual([{ type: "stun", bytes: stun, source: STRANGER }]);
  });

  it("is judged by the full 32-bit type and the exact length", () => {
    const reserved = handshakeMessage(1, true);
    reserved[3] = 1;
    const tooLong = new Uint8Array(149);
    tooLong.set(handshakeMessage(1, true));
    const tooShort = handshakeMessage(2, true).subarray(0, 91);
    const dataWithReserved = sealMessage(leftToRight, indexOf(0), 0, new Uint8Array(0));
    dataWithReserved[1] = 1;
    for (const bytes of [reserved, tooLong, tooShort, dataWithReserved, Uint8Array.of(4), new Uint8Array(31)])
      right.receive(STRANGER, bytes);
    expect(right.drops()).toEqual({ "in-unknown-message": 6 });
    expect(right.messages).toEqual([]);
  });
});

describe("any datagram", () => {
  const header = fc.constantFrom(0, 1, 2, 3, 4, 5, 255).map((type) => [type, 0, 0, 0]);
  const index = fc.constantFrom([0, 0, 1, 0], [0x21, 0x12, 0xa4, 0x42], [9, 9, 9, 9]);
  const datagram = fc
    .tuple(header, index, fc.uint8Array({ maxLength: 300 }))
    .map(([type, receiver, rest]) => Uint8Array.from([...type, ...receiver, ...rest]));

  it("is counted or queued, and changes nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(datagram, fc.uint8Array({ minLength: 1, maxLength: 200 }))), (datagrams) => {
        const lossesBefore = Object.values(right.counters.drops()).reduce((sum, count) => sum + count, 0);
        right.messages.length = 0;
        for (const bytes of datagrams) right.receive(STRANGER, bytes);
        const losses = Object.values(right.counters.drops()).reduce((sum, count) => sum + count, 0);
        expect(losses - lossesBefore + right.messages.length).toBe(datagrams.length);
        for (const { uplinkClass } of right.messages) if (uplinkClass !== undefined) right.gauge.leave(uplinkClass);
      }),
    );
    expect(right.takePackets()).toEqual([]);
    right.messages.length = 0;
    sendPackets(1);
    right.drain();
    expect(right.takePackets()).toHaveLength(1);
  });

  it("of an authenticated peer may hold any plaintext: it is delivered, answered or counted", () => {
    let counter = 100;
    const outcomes = () => {
      const dropped = Object.values(right.counters.drops()).reduce((sum, count) => sum + count, 0);
      const { sentDatagrams } = right.transport.stats;
      return dropped + sentDatagrams + right.takePackets().length + right.takeEvents("probe-reply").length;
    };
    sendPackets(1);
    right.drain();
    right.takePackets();
    const firstByte = fc.constantFrom(0x45, 0x60, 0xf1, 0x00);
    const plaintext = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.tuple(firstByte, fc.uint8Array({ maxLength: 200 })).map(([first, rest]) => Uint8Array.of(first, ...rest)),
    );
    fc.assert(
      fc.property(plaintext, (bytes) => {
        const before = outcomes();
        sendRaw(left.transport, right.address, sealMessage(leftToRight, indexOf(0), counter++, bytes));
        right.drain();
        expect(outcomes() - before).toBe(1);
        right.gauge.leave("probe");
      }),
    );
  });
});
