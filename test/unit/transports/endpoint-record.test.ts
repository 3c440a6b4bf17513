import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "../../../src/packet/address.ts";
import type { UdpEndpoint } from "../../../src/packet/endpoint.ts";
import { EndpointRecord } from "../../../src/transports/endpoint-record.ts";

const address = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(formatAddress);
const endpoint = fc.record({ address, port: fc.nat(65_535) });

function recordOf(value: UdpEndpoint): EndpointRecord {
  const record = new EndpointRecord();
  record.set(value);
  return record;
}

describe("endpoint record", () => {
  it("gives back any endpoint that it is set to", () => {
    fc.assert(
      fc.property(endpoint, (value) => {
        expect(recordOf(value).toEndpoint()).toEqual(value);
      }),
    );
  });

  it("tells remotes apart by address and port", () => {
    fc.assert(
      fc.property(endpoint, endpoint, (a, b) => {
        const isSame = a.address === b.address && a.port === b.port;
        expect(recordOf(a).isSameRemote(recordOf(b))).toBe(isSame);
        expect(recordOf(a).isSameRemote(recordOf(a))).toBe(true);
      }),
    );
  });

  it("copies everything, the local address included", () => {
    const source = recordOf({ address: "192.0.2.7", port: 7 });
    const info = new DataView(Uint8Array.of(3, 0, 0, 0, 198, 51, 100, 1, 198, 51, 100, 1).buffer);
    source.setSourceV4(info, 0);
    const copy = new EndpointRecord();
    copy.copyFrom(source);
    expect(copy.toEndpoint()).toEqual({ address: "192.0.2.7", port: 7 });
    expect(copy.isSameSource(source)).toBe(true);
    copy.clearSource();
    expect(copy.isSameSource(source)).toBe(false);
    expect(copy.isSameRemote(source)).toBe(true);
  });

  it("gives back the local address too, where an answer is to come from", () => {
    fc.assert(
      fc.property(endpoint, address, (value, localAddress) => {
        const isOneFamily = value.address.includes(":") === localAddress.includes(":");
        const record = recordOf({ ...value, localAddress });
        expect(record.toEndpoint()).toEqual(value);
        expect(record.toReplyEndpoint()).toEqual(isOneFamily ? { ...value, localAddress } : value);
        record.set(value);
        expect(record.toReplyEndpoint()).toEqual(value);
      }),
    );
  });

  it("recognises its remote address and port in a packet", () => {
    fc.assert(
      fc.property(endpoint, endpoint, fc.nat(9), (value, other, offset) => {
        const view = new DataView(new ArrayBuffer(32));
        const asBytes = parseAddress(other.address);
        new Uint8Array(view.buffer).set(asBytes, offset);
        const isSame = value.address === other.address && value.port === other.port;
        expect(recordOf(value).isRemote(view, offset, asBytes.length, other.port)).toBe(isSame);
        expect(recordOf(other).isRemote(view, offset, asBytes.length, other.port)).toBe(true);
      }),
    );
  });

  it("keeps the zone of a link-local address", () => {
    expect(recordOf({ address: "fe80::1%lo", port: 9 }).toEndpoint()).toEqual({ address: "fe80::1%lo", port: 9 });
    expect(recordOf({ address: "fe80::1%1", port: 9 }).isSameRemote(recordOf({ address: "fe80::1%lo", port: 9 }))).toBe(
      true,
    );
  });

  it("is empty at first, and after clear", () => {
    const record = new EndpointRecord();
    expect(record.isSet).toBe(false);
    expect(record.toEndpoint()).toBeNull();
    record.set({ address: "::1", port: 1 });
    record.clear();
    expect(record.isSet).toBe(false);
  });

  it("refuses text that is no address", () => {
    expect(() => recordOf({ address: "localhost", port: 1 })).toThrow(expect.objectContaining({ code: "bad-address" }));
  });
});
