import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLOSED, type Family, FilteredHost, icmp, policy, Talk } from "./filtered-host.ts";

const family = fc.constantFrom<Family>(4, 6);
const port = fc.constantFrom(22, 443, 40_000, 50_000);
const tcp = fc
  .record({ family, near: port, far: port, flags: fc.nat(255) })
  .map(({ family: of, near, far, flags }) => new Talk(of, near, far).tcp("in", flags));
const udp = fc
  .record({ family, near: port, far: port })
  .map(({ family: of, near, far }) => new Talk(of, near, far).udp("in"));
const anyIcmp = fc
  .record({ family, type: fc.nat(255), rest: fc.uint8Array({ minLength: 4, maxLength: 80 }) })
  .map(({ family: of, type, rest }) => icmp(of, "in", type, rest));
/** About packets that we might have sent, and did not. */
const error = fc
  .record({ family, near: port, far: port, isTcp: fc.boolean(), cut: fc.nat(30) })
  .map(({ family: of, near, far, isTcp, cut }) => {
    const talk = new Talk(of, near, far);
    const quoted = isTcp ? talk.tcp("out") : talk.udp("out");
    return icmp(of, "in", of === 4 ? 3 : 1, [0, 0, 0, 0, ...quoted.subarray(0, quoted.length - cut)]);
  });
const packet = fc.oneof(tcp, udp, anyIcmp, error);
/** A packet with a few bytes changed, where no address stands. */
const mangled = fc
  .tuple(packet, fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 3 }))
  .map(([bytes, changes]) => {
    const isV4 = bytes[0]! >> 4 === 4;
    const isAddress = (at: number) => (isV4 ? at >= 12 && at < 20 : at >= 8 && at < 40);
    for (const [at, value] of changes) if (at > 1 && at < bytes.length && !isAddress(at)) bytes[at] = value;
    return bytes;
  });

/** What becomes of it; a packet that is none is dropped before it is asked for. */
function receive(host: FilteredHost, bytes: Uint8Array): string {
  try {
    return host.receive(bytes);
  } catch (failure) {
    return String(failure);
  }
}

describe("what a peer makes up", () => {
  it("gets in nowhere where nothing is let in", () => {
    const host = new FilteredHost(CLOSED);
    fc.assert(
      fc.property(mangled, (bytes) => {
        expect(receive(host, bytes)).not.toBe("accept");
      }),
      { numRuns: 2000 },
    );
    expect(host.cells.connections).toBe(0);
  });

  it("starts nothing over a one-way association, and leaves our own connection alone", () => {
    fc.assert(
      fc.property(fc.array(mangled, { maxLength: 30 }), (packets) => {
        const host = new FilteredHost(policy({ oneWay: new Map([[3, "self"]]) }));
        const ours = new Talk(4, 41_000, 80);
        for (const [direction, bytes] of ours.handshake("out"))
          expect(direction === "out" ? host.send(bytes) : host.receive(bytes)).toBe("accept");
        for (const bytes of packets) expect(receive(host, bytes)).not.toBe("accept");
        expect(host.receive(ours.tcp("in"))).toBe("accept");
      }),
      { numRuns: 200 },
    );
  });

  it("is no reason to fail in an open filter", () => {
    const host = new FilteredHost(undefined, 64);
    fc.assert(
      fc.property(mangled, fc.boolean(), (bytes, isLate) => {
        if (isLate) host.pass(40);
        expect(receive(host, bytes)).toMatch(/^accept$|no packet/);
      }),
      { numRuns: 1000 },
    );
    expect(host.cells.connections).toBeLessThanOrEqual(64);
  });
});
