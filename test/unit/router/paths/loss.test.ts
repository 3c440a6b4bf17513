import { describe, expect, it } from "vitest";
import { Bench, RELAY, UDP } from "./bench.ts";

function flowing(): Bench {
  const bench = Bench.connected([UDP, RELAY]);
  bench.answer(UDP, 20);
  bench.answer(RELAY, 60);
  bench.dataEveryMs = 10;
  bench.run(5000);
  expect(bench.primary).toBe(UDP.id);
  return bench;
}

/** Whether UDP carries anything now. */
const isUdpUsed = (bench: Bench) => bench.primary === UDP.id || bench.second === UDP.id;

/** Runs on to the next try of UDP, and to its end; how long it was left alone. */
function nextTry(bench: Bench): number {
  const startMs = bench.nowMs;
  while (!isUdpUsed(bench)) bench.run(100);
  const waitedMs = bench.nowMs - startMs;
  while (isUdpUsed(bench)) bench.run(10);
  return waitedMs;
}

describe("a path that loses data although its probes pass", () => {
  it("is left within half a second, and says so", () => {
    const bench = flowing();
    bench.deadFor.add(UDP.id);
    bench.run(500);
    expect(bench.primary).toBe(RELAY.id);
    expect(bench.paths.status().reason).toBe("UDP loses data although its probes pass");
    expect(bench.detailOf(UDP)).toBe("UDP loses data although its probes pass");
  });

  it("so is one that loses only large messages", () => {
    const bench = flowing();
    bench.loseLarge(UDP);
    expect(bench.primary).toBe(RELAY.id);
    expect(bench.paths.status().reason).toBe("UDP loses large messages, small ones pass");
  });

  it("is left alone for 10 s, twice as long each time, up to five minutes", () => {
    const bench = flowing();
    bench.deadFor.add(UDP.id);
    bench.run(500);
    const waits = Array.from({ length: 7 }, () => Math.round(nextTry(bench) / 10_000) * 10);
    expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300]);
  });

  it("is tried beside the path in use, which stays the path in use", () => {
    const bench = flowing();
    bench.deadFor.add(UDP.id);
    bench.run(500);
    const leftMs = bench.nowMs;
    while (!isUdpUsed(bench)) bench.run(10);
    expect([bench.primary, bench.second]).toEqual([RELAY.id, UDP.id]);
    expect(bench.paths.status().whySecond).toBe("tried again, it lost data before");
    bench.run(1000);
    expect(bench.second).toBeNull();
    expect(bench.actions("decided", leftMs)).toEqual([]);
  });

  it("is taken back when it carries data again", () => {
    const bench = flowing();
    bench.deadFor.add(UDP.id);
    bench.run(500);
    bench.deadFor.clear();
    bench.run(11_000);
    expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
  });

  it("is forgiven on another network", () => {
    const bench = flowing();
    bench.deadFor.add(UDP.id);
    bench.run(500);
    for (let i = 0; i < 3; i++) nextTry(bench);
    bench.deadFor.clear();
    bench.tell({ type: "network-changed" });
    bench.run(500);
    expect(bench.primary).toBe(UDP.id);
    bench.deadFor.add(UDP.id);
    bench.run(500);
    expect(Math.round(nextTry(bench) / 1000)).toBe(10);
  });

  it("stays in use when there is nothing better", () => {
    const bench = flowing();
    bench.tell({ type: "open", id: RELAY.id, isOpen: false });
    bench.deadFor.add(UDP.id);
    bench.run(60_000);
    expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
    bench.tell({ type: "open", id: RELAY.id, isOpen: true });
    bench.run(500);
    expect(bench.primary).toBe(RELAY.id);
  });
});

describe("not taken for loss of data", () => {
  it("a peer that does not count", () => {
    const bench = new Bench();
    bench.tell({ type: "candidates", candidates: [UDP, RELAY] });
    bench.tell({ type: "open", id: RELAY.id, isOpen: true });
    bench.tell({ type: "session", isUp: true });
    const reply = (id: number, sequence: number) => bench.tell({ type: "reply", id, sequence, rttMs: 5 });
    bench.dataEveryMs = 10;
    for (let i = 0; i < 200; i++) {
      const before = bench.log.length;
      bench.run(20);
      for (const action of bench.log.slice(before)) if (action.type === "probe") reply(action.id, action.sequence);
    }
    expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
  });

  it("counters of the peer that begin anew", () => {
    const bench = flowing();
    bench.answers.get(UDP.id)!.rxData = 0;
    bench.run(5000);
    expect(bench.primary).toBe(UDP.id);
  });

  it("a pause in the traffic", () => {
    const bench = flowing();
    bench.dataEveryMs = undefined;
    bench.run(300_000);
    expect(bench.primary).toBe(UDP.id);
  });

  it("data that fell into the same hole as the probes", () => {
    const bench = flowing();
    const answers = bench.answers.get(UDP.id)!;
    bench.mute(UDP);
    bench.run(400);
    bench.dataEveryMs = undefined;
    bench.answers.set(UDP.id, answers);
    bench.run(10_000);
    expect(bench.primary).toBe(UDP.id);
    expect(bench.actions("decided").at(-1)!.to).toBe(UDP.id);
  });
});
