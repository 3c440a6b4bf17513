import { describe, expect, it } from "vitest";
import { TRANSPORT_NAMES } from "../../../../src/base/transports.ts";
import { Bench, RELAY, UDP } from "./bench.ts";

/** Sends by UDP, while the peer says that it sends by the relay. */
function differing(leads: boolean): Bench {
  const bench = Bench.connected([UDP, RELAY], leads);
  bench.answer(UDP, 20);
  bench.answer(RELAY, 60);
  bench.dataEveryMs = 20;
  bench.run(5000);
  expect(bench.primary).toBe(UDP.id);
  bench.answers.get(RELAY.id)!.isTheirPrimary = true;
  bench.tell({ type: "request", id: RELAY.id, isTheirPrimary: true });
  return bench;
}

/** How long the bench stays on UDP, at most a minute. */
function staysMs(bench: Bench): number {
  const startMs = bench.nowMs;
  while (bench.primary === UDP.id && bench.nowMs - startMs < 60_000) bench.run(10);
  return bench.nowMs - startMs;
}

describe("when the two ends send by different paths", () => {
  it("the one that does not lead follows within 2 s, by dual send, and says so", () => {
    const bench = differing(false);
    expect(staysMs(bench)).toBeLessThanOrEqual(2000);
    expect([bench.primary, bench.second]).toEqual([RELAY.id, UDP.id]);
    expect(bench.paths.status().reason).toBe("the peer keeps to relay");
    bench.run(1000);
    expect(bench.second).toBeNull();
    expect(bench.paths.status().theirPrimary).toBe(RELAY.id);
  });

  it("it stays there as long as the peer does, whatever it would prefer itself", () => {
    const bench = differing(false);
    bench.run(60_000);
    expect(bench.primary).toBe(RELAY.id);
    bench.answers.get(RELAY.id)!.isTheirPrimary = false;
    bench.answers.get(UDP.id)!.isTheirPrimary = true;
    bench.run(1000);
    expect(bench.primary).toBe(UDP.id);
  });

  it("the leader gives way later, when the other end cannot follow", () => {
    const tookMs = staysMs(differing(true));
    expect(tookMs).toBeGreaterThan(2000);
    expect(tookMs).toBeLessThanOrEqual(3000);
  });

  it("a short difference is none", () => {
    const bench = differing(false);
    bench.run(1000);
    bench.answers.get(RELAY.id)!.isTheirPrimary = false;
    bench.tell({ type: "request", id: RELAY.id, isTheirPrimary: false });
    expect(staysMs(bench)).toBe(60_000);
  });

  it("nobody follows to a path that is not proven", () => {
    const bench = differing(false);
    bench.mute(RELAY);
    bench.run(1400);
    for (let i = 0; i < 100; i++) {
      bench.tell({ type: "request", id: RELAY.id, isTheirPrimary: true });
      bench.run(100);
    }
    expect(bench.primary).toBe(UDP.id);
  });

  it.each([
    [false, 5000],
    [true, Number.POSITIVE_INFINITY],
  ])("who was asked to prefer a transport gives way later or not at all (leads: %s)", (leads, afterMs) => {
    const bench = differing(leads);
    bench.tell({ type: "preference", order: TRANSPORT_NAMES, excluded: [], preferred: "udp" });
    const tookMs = staysMs(bench);
    expect(tookMs).toBeGreaterThan(Math.min(afterMs - 500, 59_000));
    expect(tookMs).toBeLessThanOrEqual(Math.min(afterMs + 200, 60_000));
  });

  it("a follower whose path fails chooses for itself", () => {
    const bench = differing(false);
    bench.run(5000);
    expect(bench.primary).toBe(RELAY.id);
    bench.mute(RELAY);
    bench.run(1500);
    expect(bench.primary).toBe(UDP.id);
  });
});
