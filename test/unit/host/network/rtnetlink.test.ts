import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRouteMessages } from "../../../../src/host/network/rtnetlink.ts";
import { addressMessage, linkMessage, message, routeMessage, u32 } from "../../../support/rtnetlink-messages.ts";

const only = (datagram: Buffer) => {
  const facts = parseRouteMessages(datagram);
  expect(facts).toHaveLength(1);
  return facts![0]!;
};

describe("messages of rtnetlink", () => {
  it("tell of a link in use, with its MTU, and of one that is not", () => {
    const up = { subject: "link", identity: "7", state: "up, MTU 1400", isRemoval: false, interfaceIndex: 7 };
    expect(only(linkMessage({ index: 7, mtu: 1400 }))).toEqual(up);
    // Up, but no carrier.
    expect(only(linkMessage({ index: 7, flags: 0x1 })).state).toBeNull();
    expect(only(linkMessage({ index: 7, isRemoval: true }))).toMatchObject({ state: null, isRemoval: true });
  });

  it("do not take a port that leaves a bridge for a link that is gone", () => {
    expect(parseRouteMessages(linkMessage({ index: 7, family: 7, isRemoval: true }))).toEqual([]);
  });

  it("tell of addresses of both families, and whether they can be used", () => {
    expect(only(addressMessage({ address: "192.0.2.7/24", index: 3 }))).toEqual({
      subject: "address",
      identity: "192.0.2.7/24 3",
      state: "usable",
      isRemoval: false,
      interfaceIndex: 3,
    });
    const v6 = { address: "2001:db8::7/64", index: 3 };
    expect(only(addressMessage(v6)).identity).toBe("2001:db8::7/64 3");
    expect(only(addressMessage({ ...v6, flags: 0x40 })).state).toBeNull();
    expect(only(addressMessage({ ...v6, flags: 0x20 })).state).toBe("deprecated");
    expect(only(addressMessage({ ...v6, isRemoval: true }))).toMatchObject({ state: null, isRemoval: true });
  });

  it("tell of routes by where they lead: another gateway is another state of the same route", () => {
    const first = only(routeMessage({ gateway: "192.0.2.1", index: 3, metric: 100 }));
    const second = only(routeMessage({ gateway: "192.0.2.9", index: 3, metric: 100 }));
    expect(first).toMatchObject({ subject: "route", interfaceIndex: 3 });
    expect(first.identity.split(" ")[0]).toBe("default");
    expect(second.identity).toBe(first.identity);
    expect(second.state).not.toBe(first.state);
    expect(only(routeMessage({ gateway: "192.0.2.1", index: 3, metric: 200 })).identity).not.toBe(first.identity);
    expect(only(routeMessage({ destination: "2001:db8:7::/48", index: 4 })).identity).toMatch(/^2001:db8:7::\/48 /);
  });

  it("know the interface of a route with several next hops by the first", () => {
    const hop = (index: number) => Buffer.concat([Buffer.from([8, 0, 0, 0]), u32(index)]);
    const route = routeMessage({ destination: "198.51.100.0/24", more: [[9, Buffer.concat([hop(5), hop(6)])]] });
    expect(only(route).interfaceIndex).toBe(5);
  });

  it("leave out routes that follow from an address or were learned for one destination", () => {
    expect(parseRouteMessages(routeMessage({ destination: "192.0.2.7/32", index: 3, type: 2 }))).toEqual([]);
    expect(parseRouteMessages(routeMessage({ destination: "192.0.2.7/32", index: 3, flags: 0x200 }))).toEqual([]);
  });

  it("come several in a datagram, others among them", () => {
    const neighbour = message(28, Buffer.alloc(12));
    const datagram = Buffer.concat([
      linkMessage({ index: 7 }),
      neighbour,
      addressMessage({ address: "192.0.2.7/24", index: 7 }),
    ]);
    expect(parseRouteMessages(datagram)?.map(({ subject }) => subject)).toEqual(["link", "address"]);
  });

  it("say when some were lost", () => {
    expect(parseRouteMessages(message(4, Buffer.alloc(4)))).toBeUndefined();
  });

  it("may be cut anywhere or hold anything", () => {
    const whole = Buffer.concat([linkMessage({ index: 7 }), routeMessage({ gateway: "192.0.2.1", index: 3 })]);
    for (let length = 0; length <= whole.length; length++) parseRouteMessages(whole.subarray(0, length));
    const types = fc.constantFrom(16, 17, 20, 21, 24, 25);
    fc.assert(
      fc.property(
        types,
        fc.uint8Array({ maxLength: 80 }),
        (type, body) => void parseRouteMessages(message(type, body)),
      ),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void parseRouteMessages(Buffer.from(bytes))));
  });
});
