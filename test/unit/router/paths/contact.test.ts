import { describe, expect, it } from "vitest";
import { Bench, RELAY, SSH, UDP, UDP6 } from "./bench.ts";

describe("first contact", () => {
  it("goes by the path that the handshake came by, before any proof", () => {
    const bench = Bench.connected([UDP, RELAY]);
    expect(bench.actions("use")).toMatchObject([{ primary: RELAY.id, second: null, atMs: bench.nowMs }]);
    expect(bench.actions("decided")).toMatchObject([
      { from: null, to: RELAY.id, reason: "the peer answered by relay" },
    ]);
  });

  it("is told of before the probes, and probes every open path at once", () => {
    const bench = Bench.connected([UDP, SSH, RELAY]);
    bench.tell({ type: "open", id: SSH.id, isOpen: false });
    const types = bench.log.map(({ type }) => type);
    expect(types.slice(0, 2)).toEqual(["decided", "use"]);
    expect(bench.actions("probe").map(({ id, isPrimary }) => [id, isPrimary])).toEqual([
      [UDP.id, false],
      [SSH.id, false],
      [RELAY.id, true],
    ]);
  });

  it("is a guess when nobody was heard, with a pipe beside it, until somebody is", () => {
    const bench = new Bench();
    bench.tell({ type: "candidates", candidates: [UDP, RELAY] });
    bench.tell({ type: "open", id: RELAY.id, isOpen: true });
    bench.tell({ type: "session", isUp: true });
    expect([bench.primary, bench.second]).toEqual([UDP.id, RELAY.id]);
    bench.tell({ type: "heard", id: RELAY.id });
    expect(bench.primary).toBe(RELAY.id);
  });

  it("without an open path there is none, until one opens", () => {
    const bench = new Bench();
    bench.tell({ type: "candidates", candidates: [SSH, RELAY] });
    bench.tell({ type: "session", isUp: true });
    expect(bench.primary).toBeNull();
    bench.tell({ type: "open", id: RELAY.id, isOpen: true });
    expect(bench.primary).toBe(RELAY.id);
    bench.tell({ type: "open", id: RELAY.id, isOpen: false });
    expect(bench.actions("use").at(-1)).toMatchObject({ primary: null, second: null });
    expect(bench.paths.status().reason).toBe("no path is open");
  });

  it("one reply proves nothing, two do", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.answer(RELAY, 60);
    bench.answer(UDP, 20);
    // The first probes left before anybody answered, the second ones answer after 70 ms.
    bench.run(75);
    expect(bench.primary).toBe(RELAY.id);
    expect(bench.detailOf(UDP)).toBe("carries everything as well: the path in use is not proven yet");
    bench.run(50);
    expect(bench.primary).toBe(UDP.id);
  });
});

describe("the session", () => {
  it("nothing is probed or used without one", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.answer(UDP, 20);
    bench.run(1000);
    bench.tell({ type: "session", isUp: false });
    expect(bench.actions("use").at(-1)).toMatchObject({ primary: null, second: null });
    expect(bench.paths.status().reason).toBe("no session");
    const downMs = bench.nowMs;
    bench.tell({ type: "heard", id: UDP.id });
    bench.run(600_000);
    expect(bench.actions("probe", downMs + 1)).toEqual([]);
    expect(bench.paths.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it("coming up twice is nothing new", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.run(5000);
    bench.tell({ type: "session", isUp: true });
    expect(bench.paths.status().attempts).toHaveLength(1);
  });
});

describe("candidates", () => {
  it("that stay keep what is known of them, whatever else comes or goes", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.answer(UDP, 20);
    bench.run(5000);
    expect(bench.primary).toBe(UDP.id);
    bench.tell({ type: "candidates", candidates: [UDP6, UDP, RELAY] });
    expect(bench.primary).toBe(UDP.id);
    expect(bench.paths.status().paths.find(({ id }) => id === UDP.id)?.rttMs).toBe(20);
    expect(bench.actions("probe", bench.nowMs).map(({ id }) => id)).toEqual([UDP6.id]);
  });

  it("an id that leads elsewhere is another path", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.answer(UDP, 20);
    bench.run(5000);
    bench.tell({ type: "candidates", candidates: [{ ...UDP, label: "203.0.113.9:1" }, RELAY] });
    expect(bench.paths.status().paths.find(({ id }) => id === UDP.id)?.rttMs).toBeNull();
    expect(bench.actions("decided").at(-1)).toMatchObject({
      from: UDP.id,
      reason: `${UDP.label} is no candidate any more`,
    });
  });

  it("answers to a probe of an earlier path of this id, or to no probe at all, count for nothing", () => {
    const bench = Bench.connected([UDP, RELAY]);
    const sequence = bench.actions("probe").find(({ id }) => id === UDP.id)!.sequence;
    bench.tell({ type: "candidates", candidates: [{ ...UDP, label: "203.0.113.9:1" }, RELAY] });
    bench.tell({ type: "reply", id: UDP.id, sequence, rttMs: 1, rxData: 0, rxLarge: 0 });
    bench.tell({ type: "reply", id: UDP.id, sequence: 12345, rttMs: 1, rxData: 0, rxLarge: 0 });
    bench.tell({ type: "reply", id: 9, sequence, rttMs: 1, rxData: 0, rxLarge: 0 });
    expect(bench.paths.status().paths.find(({ id }) => id === UDP.id)?.lastReplyMs).toBeNull();
  });

  it("none at all: nothing is used, nothing fails", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.tell({ type: "candidates", candidates: [] });
    expect(bench.primary).toBeNull();
    bench.tell({ type: "open", id: RELAY.id, isOpen: true });
    bench.tell({ type: "request", id: RELAY.id, isTheirPrimary: true });
    bench.run(60_000);
    expect(bench.paths.status().paths).toEqual([]);
  });
});
