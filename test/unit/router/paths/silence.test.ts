import { describe, expect, it } from "vitest";
import { Bench, RELAY, SSH, UDP, UDP6 } from "./bench.ts";

function flowing(rttMs = 20, candidates = [UDP, RELAY]): Bench {
  const bench = Bench.connected(candidates);
  for (const path of candidates) bench.answer(path, path.transport === "udp" ? rttMs : rttMs * 1.5);
  bench.dataEveryMs = 10;
  bench.run(10_000);
  expect(bench.primary).toBe(candidates[0]!.id);
  return bench;
}

/** Runs until `is`; how long it took. */
function until(bench: Bench, is: () => boolean): number {
  const startMs = bench.nowMs;
  while (!is() && bench.nowMs - startMs < 60_000) bench.run(1);
  return bench.nowMs - startMs;
}

describe("a path in use that gives no answers", () => {
  it.each([
    [1, 100],
    [20, 100],
    [100, 180],
    [300, 480],
  ])("round trip %i ms: is helped by the best other one after %i ms", (rttMs, suspectMs) => {
    const bench = flowing(rttMs);
    bench.mute(UDP);
    const tookMs = until(bench, () => bench.second === RELAY.id);
    expect(tookMs).toBeLessThanOrEqual(suspectMs + 1);
    expect(tookMs).toBeGreaterThan(suspectMs - 80);
    expect(bench.primary).toBe(UDP.id);
    expect(bench.paths.status().whySecond).toBe("the path in use gives no answers");
  });

  it.each([
    [20, 800],
    [300, 1200],
  ])("round trip %i ms: is left after %i ms of silence, and says so", (rttMs, deadMs) => {
    const bench = flowing(rttMs);
    bench.mute(UDP);
    const tookMs = until(bench, () => bench.primary === RELAY.id);
    expect(tookMs).toBeLessThanOrEqual(deadMs + 1);
    expect(tookMs).toBeGreaterThan(deadMs - 100);
    expect(bench.second).toBeNull();
    expect(bench.paths.status().reason).toMatch(/^UDP was silent for (8|12)\d\d ms$/);
    expect(bench.detailOf(UDP)).toBe("fell silent");
  });

  it("is not thought far away for answers that stood in a queue while it was dead", () => {
    const bench = flowing(20, [SSH, RELAY]);
    bench.mute(SSH);
    // As TCP does it: when the way is free again, everything is answered at once.
    const held: number[] = [];
    const startMs = bench.nowMs;
    while (bench.nowMs - startMs < 1000) {
      const seen = bench.actions("probe").length;
      bench.run(1);
      for (const { id, sequence } of bench.actions("probe").slice(seen)) if (id === SSH.id) held.push(sequence);
    }
    expect(bench.detailOf(SSH)).toBe("fell silent");
    expect(held.length).toBeGreaterThan(3);
    for (const sequence of held) bench.tell({ type: "reply", id: SSH.id, sequence, rttMs: 900 });
    bench.answer(SSH, 20);
    bench.run(3000);
    const { rttMs } = bench.paths.status().paths.find(({ id }) => id === SSH.id)!;
    expect(rttMs).toBeCloseTo(20, 0);
  });

  it("that answers again in time stays, and is alone again after two replies", () => {
    const bench = flowing();
    bench.mute(UDP);
    until(bench, () => bench.second !== null);
    bench.run(200);
    bench.answer(UDP, 20);
    bench.run(150);
    expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
    expect(bench.actions("decided").at(-1)!.to).toBe(UDP.id);
  });

  it("on trial, is helped by one that answers still, not by the former that died with it", () => {
    const other = { ...UDP6, id: 9, label: "[2001:db8::9]:51820" };
    const bench = Bench.connected([UDP, UDP6, other]);
    bench.answer(UDP, 400);
    bench.dataEveryMs = 10;
    bench.run(10_000);
    bench.answer(UDP6, 20);
    until(bench, () => bench.primary === UDP6.id);
    expect(bench.second).toBe(UDP.id);
    // The peer has moved: it answers at one of its addresses, which is new.
    bench.mute(UDP);
    bench.mute(UDP6);
    bench.answer(other, 1);
    bench.tell({ type: "heard", id: other.id });
    expect(until(bench, () => bench.second === other.id)).toBeLessThanOrEqual(250);
  });

  it("one lost probe is no silence", () => {
    const bench = flowing(60);
    const uses = bench.actions("use").length;
    const answers = bench.answers.get(UDP.id)!;
    bench.answers.delete(UDP.id);
    until(bench, () => bench.actions("probe").at(-1)!.atMs === bench.nowMs);
    bench.answers.set(UDP.id, answers);
    bench.run(1000);
    expect(bench.actions("use")).toHaveLength(uses);
  });

  it("is helped by a path of another transport: what killed the first may have killed its like", () => {
    const bench = flowing(20, [UDP, UDP6, RELAY]);
    const primary = bench.primary === UDP.id ? UDP : UDP6;
    bench.mute(primary);
    until(bench, () => bench.second !== null);
    expect(bench.second).toBe(RELAY.id);
    // Its like works, though, and is preferred.
    until(bench, () => bench.primary !== primary.id);
    expect(bench.primary).toBe(primary === UDP ? UDP6.id : UDP.id);
  });

  it("is helped by who has answered since, before those of before: a peer that moved is heard at its new address", () => {
    const bench = flowing(20, [UDP, SSH, RELAY]);
    for (const path of [UDP, SSH, RELAY]) bench.mute(path);
    bench.tell({ type: "candidates", candidates: [UDP, UDP6, SSH, RELAY] });
    bench.answer(UDP6, 20);
    bench.tell({ type: "heard", id: UDP6.id });
    expect(until(bench, () => [bench.primary, bench.second].includes(UDP6.id))).toBeLessThanOrEqual(150);
  });

  it("is not helped by one that does not answer either", () => {
    const bench = flowing(20, [UDP, SSH, RELAY]);
    for (const path of [UDP, SSH]) bench.mute(path);
    until(bench, () => bench.primary !== UDP.id);
    expect(bench.primary).toBe(RELAY.id);
    expect(bench.actions("use").some(({ primary }) => primary === SSH.id)).toBe(false);
  });

  it("stays in use when there is nothing else, works no more, and is used again as soon as it answers", () => {
    const bench = flowing(20, [UDP]);
    bench.mute(UDP);
    bench.run(10_000);
    expect(bench.primary).toBe(UDP.id);
    expect(bench.paths.status().isWorking).toBe(false);
    bench.answer(UDP, 20);
    bench.run(600);
    expect(bench.paths.status().isWorking).toBe(true);
  });

  it("when all are silent, the first that answers is taken", () => {
    const bench = flowing(20, [UDP, SSH, RELAY]);
    for (const path of [UDP, SSH, RELAY]) bench.mute(path);
    bench.run(20_000);
    bench.answer(RELAY, 30);
    bench.run(1000);
    expect(bench.primary).toBe(RELAY.id);
  });

  it("our own sleep is not the peer's silence", () => {
    const bench = flowing(300);
    const uses = bench.actions("use").length;
    // Everything stands still, answers included, and then is read at once, the timer first.
    bench.nowMs += 3000;
    bench.tell({ type: "tick" });
    expect(bench.actions("use")).toHaveLength(uses);
    bench.run(3000);
    expect(bench.actions("use")).toHaveLength(uses);
  });
});

describe("a path that fell silent", () => {
  it("is used again when it is proven again", () => {
    const bench = flowing();
    bench.mute(UDP);
    bench.run(30_000);
    expect(bench.primary).toBe(RELAY.id);
    bench.answer(UDP, 20);
    expect(until(bench, () => bench.primary === UDP.id)).toBeLessThanOrEqual(10_200);
  });

  it("carries everything as well until it is seen to carry data, before it is used", () => {
    const bench = flowing();
    bench.mute(UDP);
    until(bench, () => bench.primary === RELAY.id);
    bench.answer(UDP, 20);
    until(bench, () => bench.second === UDP.id);
    bench.run(200);
    expect([bench.primary, bench.second]).toEqual([RELAY.id, UDP.id]);
    expect(until(bench, () => bench.primary === UDP.id)).toBeLessThan(1000);
  });

  it("must answer for longer each time that it does so again", () => {
    const bench = flowing();
    const tookMs = [0, 1, 2, 3, 4, 5, 6].map(() => {
      bench.run(500);
      bench.mute(UDP);
      until(bench, () => bench.primary === RELAY.id);
      bench.answer(UDP, 20);
      until(bench, () => bench.detailOf(UDP) !== "fell silent");
      const triedMs = until(bench, () => bench.second === UDP.id);
      expect(until(bench, () => bench.primary === UDP.id)).toBeLessThan(1000);
      return triedMs;
    });
    const seconds = tookMs.map((ms) => Math.round(ms / 1000));
    expect(seconds).toEqual([0, 1, 2, 4, 8, 8, 8]);
  });

  it("is left alone for a while when it did so as soon as data went by it", () => {
    const bench = flowing();
    bench.mute(UDP);
    until(bench, () => bench.primary === RELAY.id);
    bench.answer(UDP, 20);
    until(bench, () => bench.primary === UDP.id);
    bench.mute(UDP);
    until(bench, () => bench.primary === RELAY.id);
    bench.answer(UDP, 20);
    expect(until(bench, () => bench.primary === UDP.id)).toBeGreaterThan(9000);
  });

  it("has made up for it after a minute of use", () => {
    const bench = flowing();
    for (let i = 0; i < 4; i++) {
      bench.mute(UDP);
      bench.run(2000);
      bench.answer(UDP, 20);
      bench.run(61_000 + 10_000);
    }
    bench.mute(UDP);
    bench.run(1000);
    bench.answer(UDP, 20);
    until(bench, () => bench.detailOf(UDP) !== "fell silent");
    expect(until(bench, () => bench.second === UDP.id)).toBeLessThan(500);
    expect(until(bench, () => bench.primary === UDP.id)).toBeLessThan(1000);
  });
});

describe("another network", () => {
  it("puts every path to the proof at once, with a second one beside the first", () => {
    const bench = flowing(20, [UDP, SSH, RELAY]);
    bench.run(3);
    bench.tell({ type: "network-changed" });
    expect(bench.actions("probe", bench.nowMs).map(({ id }) => id)).toEqual([UDP.id, SSH.id, RELAY.id]);
    expect(bench.primary).toBe(UDP.id);
    expect(bench.second).not.toBeNull();
    expect(bench.paths.status().whySecond).toBe("the network changed");
    bench.run(200);
    expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
  });

  it("leaves what no longer works within a second", () => {
    const bench = flowing();
    bench.mute(UDP);
    bench.tell({ type: "network-changed" });
    expect(until(bench, () => bench.primary === RELAY.id)).toBeLessThanOrEqual(1000);
  });

  it("answers to probes of the former one prove nothing", () => {
    const bench = flowing(500);
    bench.tell({ type: "network-changed" });
    const changedMs = bench.nowMs;
    bench.run(490);
    expect(bench.paths.status().paths.every(({ lastReplyMs }) => lastReplyMs! < changedMs)).toBe(true);
  });
});

it("data after a long pause goes by two paths until the first has answered", () => {
  const bench = flowing();
  bench.dataEveryMs = undefined;
  bench.run(120_000);
  expect(bench.second).toBeNull();
  const lastReplyMs = () => bench.paths.status().paths[0]!.lastReplyMs!;
  until(bench, () => bench.nowMs - lastReplyMs() > 10_000);
  bench.mute(UDP);
  bench.sendData();
  expect([bench.primary, bench.second]).toEqual([UDP.id, RELAY.id]);
  expect(bench.paths.status().whySecond).toBe("the path in use was idle for a while");
  bench.answer(UDP, 20);
  bench.run(100);
  expect([bench.primary, bench.second]).toEqual([UDP.id, null]);
});
