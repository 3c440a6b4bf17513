import { describe, expect, it } from "vitest";
import { Admission } from "../../../../src/transports/ssh/admission.ts";

const LIMITS = { pending: 4, pendingPerSource: 2, penaltyMs: 1000 };
const never = () => {
  throw new Error("was put out");
};

describe("connections that have not proven themselves", () => {
  it("are limited for each source: an IPv4 address, or an IPv6 /64", () => {
    const admission = new Admission(LIMITS);
    expect(admission.enter("192.0.2.1", 0, never)).toBeDefined();
    expect(admission.enter("192.0.2.1", 0, never)).toBeDefined();
    expect(admission.enter("192.0.2.1", 0, never)).toBeUndefined();
    expect(admission.enter("::ffff:192.0.2.1", 0, never)).toBeUndefined();
    expect(admission.enter("2001:db8::1", 0, never)).toBeDefined();
    expect(admission.enter("2001:db8::2", 0, never)).toBeDefined();
    expect(admission.enter("2001:db8::3", 0, never)).toBeUndefined();
  });

  it("make room when they leave, once each", () => {
    const admission = new Admission(LIMITS);
    const first = admission.enter("192.0.2.1", 0, never);
    admission.enter("192.0.2.1", 0, never);
    first?.leave();
    first?.leave();
    first?.fail(0);
    expect(admission.pending).toBe(1);
    expect(admission.enter("192.0.2.1", 0, never)).toBeDefined();
    expect(admission.enter("192.0.2.1", 0, never)).toBeUndefined();
  });

  it("keep their source's place for a while when they fail", () => {
    const admission = new Admission(LIMITS);
    admission.enter("192.0.2.1", 0, never)?.fail(0);
    admission.enter("192.0.2.1", 500, never)?.fail(500);
    expect(admission.pending).toBe(0);
    expect(admission.enter("192.0.2.1", 999, never)).toBeUndefined();
    expect(admission.enter("192.0.2.2", 999, never)).toBeDefined();
    expect(admission.enter("192.0.2.1", 1000, never)).toBeDefined();
    expect(admission.enter("192.0.2.1", 1499, never)).toBeUndefined();
    expect(admission.enter("192.0.2.1", 1500, never)).toBeDefined();
  });

  it("are put out, the oldest first, when there are too many in all", () => {
    const admission = new Admission(LIMITS);
    const out: number[] = [];
    const tickets = Array.from({ length: 7 }, (_, i) => admission.enter(`192.0.2.${i}`, 0, () => out.push(i)));
    expect(out).toEqual([0, 1, 2]);
    expect(admission.pending).toBe(4);
    // Who was put out has no place to leave, and did no wrong.
    tickets[0]?.fail(0);
    expect(admission.enter("192.0.2.0", 0, () => undefined)).toBeDefined();
    expect(admission.enter("192.0.2.0", 0, () => undefined)).toBeDefined();
    expect(out).toEqual([0, 1, 2, 3, 4]);
  });
});
