import { describe, expect, it } from "vitest";
import { TRANSPORT_NAMES } from "../../../../src/base/transports.ts";
import { Bench, RELAY, SSH, UDP, UDP6 } from "./bench.ts";

const CANDIDATES = [UDP, SSH, RELAY];

/** All three transports answer, and data flows. */
function settled(candidates = CANDIDATES): Bench {
  const bench = Bench.connected(candidates);
  for (const [i, path] of candidates.entries()) bench.answer(path, 20 + 10 * i);
  bench.dataEveryMs = 10;
  bench.run(10_000);
  return bench;
}

describe("the order of transports", () => {
  it("is UDP, SSH, relay, whatever their round trips", () => {
    const bench = Bench.connected([UDP, SSH, RELAY]);
    bench.answer(RELAY, 1);
    bench.run(2000);
    expect(bench.primary).toBe(RELAY.id);
    bench.answer(SSH, 100);
    bench.run(10_000);
    expect(bench.primary).toBe(SSH.id);
    bench.answer(UDP, 300);
    bench.run(15_000);
    expect(bench.primary).toBe(UDP.id);
    expect(bench.actions("decided").map(({ reason }) => reason)).toEqual([
      "the peer answered by relay",
      "SSH works and is preferred to relay",
      "UDP works and is preferred to SSH",
    ]);
  });

  it("changes at once with the preference of the peer", () => {
    const bench = settled();
    expect(bench.primary).toBe(UDP.id);
    bench.tell({ type: "preference", order: TRANSPORT_NAMES, excluded: [], preferred: "relay" });
    expect([bench.primary, bench.second]).toEqual([RELAY.id, UDP.id]);
    expect(bench.paths.status().reason).toBe("relay is preferred for this peer");
    bench.tell({ type: "preference", order: TRANSPORT_NAMES, excluded: [], preferred: null });
    bench.run(1000);
    expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
  });

  it("what is excluded, or not in the order, is neither used nor probed", () => {
    const bench = settled();
    bench.tell({ type: "preference", order: ["udp", "relay"], excluded: ["udp"], preferred: null });
    expect(bench.primary).toBe(RELAY.id);
    expect(bench.paths.status().reason).toBe("UDP is excluded for this peer");
    bench.run(30_000);
    expect(bench.actions("probe", bench.nowMs - 29_000).filter(({ id }) => id !== RELAY.id)).toEqual([]);
    expect(bench.detailOf(UDP)).toBe("UDP is excluded for this peer");
    expect(bench.detailOf(SSH)).toBe("SSH is excluded for this peer");
  });

  it("nothing is used when everything is excluded", () => {
    const bench = settled();
    bench.tell({ type: "preference", order: TRANSPORT_NAMES, excluded: TRANSPORT_NAMES, preferred: null });
    expect(bench.actions("use").at(-1)).toMatchObject({ primary: null, second: null });
  });

  it("a preferred path that does not work is not used", () => {
    const bench = settled();
    bench.mute(SSH);
    bench.run(10_000);
    bench.tell({ type: "preference", order: TRANSPORT_NAMES, excluded: [], preferred: "ssh" });
    bench.run(10_000);
    expect(bench.primary).toBe(UDP.id);
  });
});

describe("among paths of one transport", () => {
  const near = (rttMs: number, otherMs: number) => {
    const bench = Bench.connected([UDP6, UDP]);
    bench.answer(UDP, rttMs);
    bench.dataEveryMs = 10;
    bench.run(2000);
    bench.answer(UDP6, otherMs);
    bench.run(30_000);
    return bench;
  };

  it("a nearer one wins after several answers, v4 and v6 alike", () => {
    const bench = near(40, 20);
    expect(bench.primary).toBe(UDP6.id);
    const reason = bench.actions("decided").at(-1)!.reason;
    expect(reason).toBe("nearer: 20 ms instead of 40 ms");
  });

  it.each([
    [20, 18.5],
    [100, 91],
    [3, 1.5],
  ])("not one that is nearer by less than 10 %% or 2 ms: %d ms and %d ms", (rttMs, otherMs) => {
    expect(near(rttMs, otherMs).primary).toBe(UDP.id);
  });

  it("not one that is nearer only than answers which are held up now and then, as by a busy machine", () => {
    const bench = near(20, 20);
    bench.answer(UDP, 1);
    bench.answer(UDP6, 1);
    bench.run(10_000);
    const used = bench.primary === UDP.id ? UDP : UDP6;
    const decided = bench.actions("decided").length;
    for (let stall = 0; stall < 12; stall++) {
      const before = bench.actions("probe").length;
      bench.mute(used);
      bench.run(400);
      for (const { id, sequence, atMs } of bench.actions("probe").slice(before)) {
        if (id === used.id) bench.tell({ type: "reply", id, sequence, rttMs: bench.nowMs - atMs });
      }
      bench.answer(used, 1);
      bench.run(600);
      expect(bench.paths.status().paths.find(({ id }) => id === used.id)!.rttMs).toBeGreaterThan(3);
    }
    expect(bench.actions("decided")).toHaveLength(decided);
  });

  it("two that take turns in being nearer do not take turns in being used for long", () => {
    const bench = near(40, 20);
    const before = bench.actions("decided").length;
    for (let turn = 0; turn < 30; turn++) {
      bench.answer(turn % 2 === 0 ? UDP : UDP6, 10);
      bench.answer(turn % 2 === 0 ? UDP6 : UDP, 60);
      bench.run(20_000);
    }
    // Ten minutes, thirty turns.
    expect(bench.actions("decided").length - before).toBeLessThanOrEqual(12);
  });
});

describe("a better path takes over by dual send", () => {
  function onRelay(): Bench {
    const bench = Bench.connected([UDP, RELAY]);
    bench.answer(RELAY, 60);
    bench.dataEveryMs = 10;
    bench.run(3000);
    return bench;
  }

  it("until the peer's count shows that data arrives, then alone", () => {
    const bench = onRelay();
    bench.answer(UDP, 20);
    bench.deadFor.add(UDP.id);
    while (bench.primary !== UDP.id) bench.run(10);
    expect(bench.second).toBe(RELAY.id);
    expect(bench.paths.status().whySecond).toBe("the path in use is new, and on trial");
    bench.run(100);
    expect(bench.second).toBe(RELAY.id);
    bench.deadFor.clear();
    bench.run(100);
    expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
  });

  it("without data after a few further replies", () => {
    const bench = onRelay();
    bench.dataEveryMs = undefined;
    bench.run(5000);
    bench.answer(UDP, 20);
    while (bench.primary !== UDP.id) bench.run(10);
    expect(bench.second).toBe(RELAY.id);
    const startMs = bench.nowMs;
    bench.run(1500);
    expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
    expect(bench.actions("probe", startMs).filter(({ id }) => id === UDP.id).length).toBeGreaterThanOrEqual(3);
  });

  it("large messages must be seen to arrive as well, when there are some", () => {
    const bench = onRelay();
    bench.answer(UDP, 20);
    bench.isLarge = true;
    bench.largeDeadFor.add(UDP.id);
    while (bench.primary !== UDP.id) bench.run(10);
    bench.run(100);
    expect(bench.second).toBe(RELAY.id);
    bench.run(500);
    expect([bench.primary, bench.second]).toEqual([RELAY.id, null]);
  });

  it("and steps back when the new one falls silent", () => {
    const bench = onRelay();
    bench.answer(UDP, 20);
    bench.deadFor.add(UDP.id);
    while (bench.primary !== UDP.id) bench.run(10);
    bench.mute(UDP);
    bench.run(1000);
    expect([bench.primary, bench.second]).toEqual([RELAY.id, null]);
  });
});

it("a pipe that closes is left at once", () => {
  const bench = settled([SSH, RELAY]);
  expect(bench.primary).toBe(SSH.id);
  bench.tell({ type: "open", id: SSH.id, isOpen: false });
  expect(bench.actions("use").at(-1)).toMatchObject({ primary: RELAY.id, atMs: bench.nowMs });
  expect(bench.paths.status().reason).toBe("the SSH connection closed");
});
