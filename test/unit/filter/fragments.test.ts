import { describe, expect, it } from "vitest";
import { bytesOf, SYN } from "../packet/wire.ts";
import { CLOSED, type Family, FilteredHost, policy, rule, Talk } from "./filtered-host.ts";

interface Cut {
  readonly from: number;
  readonly to: number;
  readonly more: boolean;
  readonly id?: number;
}

/** The part of a packet's data from byte `from` to before `to`, as a fragment. */
function fragmentOf(packet: Uint8Array, { from, to, more, id = 77 }: Cut): Uint8Array {
  const isV4 = packet[0]! >> 4 === 4;
  const headerBytes = isV4 ? 20 : 40;
  const data = packet.subarray(headerBytes + from, headerBytes + to);
  if (isV4) {
    const fragment = Uint8Array.from([...packet.subarray(0, 20), ...data]);
    const view = new DataView(fragment.buffer);
    view.setUint16(2, fragment.length);
    view.setUint16(4, id);
    view.setUint16(6, (more ? 0x2000 : 0) | (from / 8));
    return fragment;
  }
  const header = [packet[6]!, 0, from >> 8, (from & 0xf8) | (more ? 1 : 0), 0, 0, id >> 8, id & 255];
  const fragment = Uint8Array.from([...packet.subarray(0, 40), ...header, ...data]);
  fragment[6] = 44;
  new DataView(fragment.buffer).setUint16(4, header.length + data.length);
  return fragment;
}

/** The packet with extension headers before its transport: destination options, or any. */
function withExtensions(packet: Uint8Array, types: readonly number[]): Uint8Array {
  const chain = types.flatMap((_, i) => [types[i + 1] ?? packet[6]!, 0, 1, 4, 0, 0, 0, 0]);
  const extended = Uint8Array.from([...packet.subarray(0, 40), ...chain, ...packet.subarray(40)]);
  extended[6] = types[0]!;
  new DataView(extended.buffer).setUint16(4, extended.length - 40);
  return extended;
}

const open53 = policy({
  rules: [rule({ ports: [{ first: 53, last: 53 }] })],
  defaults: { in: "deny", out: "allow" },
});

describe.each<Family>([4, 6])("fragments over IPv%d", (family) => {
  const allowed = new Talk(family, 53, 40_000).udp("in", bytesOf(1000));
  const denied = new Talk(family, 54, 40_000).udp("in", bytesOf(1000));
  const first = (packet: Uint8Array, id?: number) =>
    fragmentOf(packet, { from: 0, to: 504, more: true, ...(id === undefined ? {} : { id }) });
  const last = (packet: Uint8Array, id?: number, from = 504) =>
    fragmentOf(packet, { from, to: 1008, more: false, ...(id === undefined ? {} : { id }) });

  it("follow the verdict of the first", () => {
    const host = new FilteredHost(open53);
    expect([host.receive(first(allowed)), host.receive(last(allowed))]).toEqual(["accept", "accept"]);
    expect([host.receive(first(denied, 78)), host.receive(last(denied, 78))]).toEqual(["deny", "fragment"]);
  });

  it("are dropped without a first one, after its time, from another peer and in the other direction", () => {
    const host = new FilteredHost(open53);
    expect(host.receive(last(allowed))).toBe("fragment");
    host.receive(first(allowed));
    expect(host.receive(last(allowed), 4)).toBe("fragment");
    expect(host.receive(last(allowed, 78))).toBe("fragment");
    expect(host.send(last(allowed))).toBe("fragment");
    host.pass(31);
    expect(host.receive(last(allowed))).toBe("fragment");
  });

  it("are dropped once a first one with the same identification was refused", () => {
    const host = new FilteredHost(open53);
    host.receive(first(allowed));
    host.receive(first(denied));
    expect(host.receive(last(denied))).toBe("fragment");
  });

  it("are dropped where they would lie over what the first one was judged by", () => {
    const host = new FilteredHost(open53);
    expect(host.receive(first(allowed))).toBe("accept");
    expect(host.receive(last(denied, undefined, 8))).toBe("fragment");
    expect(host.receive(last(denied, undefined, 496))).toBe("fragment");
    expect(host.receive(last(allowed, undefined, 504))).toBe("accept");
  });

  it("that cut a header short are no packets", () => {
    const host = new FilteredHost(CLOSED);
    const syn = new Talk(family, 22, 40_000).tcp("in", SYN);
    const tiny = fragmentOf(syn, { from: 0, to: 8, more: true });
    expect(() => host.receive(tiny)).toThrow("truncated-transport");
  });
});

describe("IPv6 extension headers", () => {
  const syn = new Talk(6, 22, 40_000).tcp("in", SYN);

  it("hide no port", () => {
    const host = new FilteredHost(policy({ rules: [rule({ action: "deny", ports: [{ first: 22, last: 22 }] })] }));
    for (const types of [[], [60], [0, 60], [0, 43, 60], [60, 60, 60, 60, 60, 60, 60, 60]]) {
      expect(host.receive(types.length === 0 ? syn : withExtensions(syn, types))).toBe("deny");
    }
    expect(host.receive(fragmentOf(withExtensions(syn, [60]), { from: 0, to: 28, more: true }))).toBe("deny");
  });

  it("are walked so far and no further", () => {
    const host = new FilteredHost(CLOSED);
    expect(() => host.receive(withExtensions(syn, new Array(9).fill(60)))).toThrow("too-many-extensions");
    expect(() => host.receive(withExtensions(syn, [60]).fill(255, 41, 42))).toThrow("truncated-extension");
  });

  it("behind the fragment header count as judged: nothing may lie over them", () => {
    const host = new FilteredHost(open53);
    const padded = withExtensions(new Talk(6, 53, 40_000).udp("in", bytesOf(40)), [60, 60]);
    expect(host.receive(fragmentOf(padded, { from: 0, to: 32, more: true }))).toBe("accept");
    for (const from of [8, 16, 24]) {
      expect(host.receive(fragmentOf(padded, { from, to: 64, more: false }))).toBe("fragment");
    }
    expect(host.receive(fragmentOf(padded, { from: 32, to: 64, more: false }))).toBe("accept");
  });

  it("that end in a protocol without ports fit rules for any protocol alone", () => {
    const host = new FilteredHost(
      policy({ rules: [rule({ protocol: "tcp,udp" })], defaults: { in: "deny", out: "deny" } }),
    );
    const none = Uint8Array.from(syn);
    none[6] = 59;
    expect(host.receive(none)).toBe("deny");
    const wrongFamily = Uint8Array.from(syn);
    wrongFamily[6] = 1;
    expect(host.receive(wrongFamily)).toBe("deny");
    host.use(policy({ rules: [rule({ protocol: "any" })], defaults: { in: "deny", out: "deny" } }));
    expect(host.receive(none)).toBe("accept");
  });
});
