import { describe, expect, it } from "vitest";
import { fragmentOf, withExtensions } from "../packet/cut-and-chain.ts";
import { bytesOf, SYN } from "../packet/wire.ts";
import { CLOSED, type Family, FilteredHost, policy, rule, Talk } from "./filtered-host.ts";

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
    // Each kind of the registry "IPv6 Extension Header Types" that can be walked, alone, and many of them.
    const kinds = [[0], [43], [44], [51], [60], [135], [139], [140]];
    for (const types of [[], ...kinds, [0, 60], [0, 43, 60], [0, 43, 51, 60, 135, 139, 140], new Array(8).fill(60)]) {
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

  it("have one fragment header at most: the host would go by another identification than we", () => {
    const host = new FilteredHost(open53);
    const allowed = new Talk(6, 53, 40_000).udp("in", bytesOf(1000));
    const nested = fragmentOf(withExtensions(allowed, [44]), { from: 0, to: 504, more: true });
    expect(() => host.receive(nested)).toThrow("bad-fragment");
    expect(() => host.receive(withExtensions(allowed, [44, 60, 44]))).toThrow("bad-fragment");
    expect(host.receive(withExtensions(allowed, [44]))).toBe("accept");
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
