import { describe, expect, it } from "vitest";
import { Bench, RELAY, SSH, UDP, UDP6 } from "./bench.ts";

describe("the race receipt", () => {
  it("tells of each candidate when it was tried, what came back, and why it won or lost", () => {
    const bench = new Bench();
    bench.tell({ type: "candidates", candidates: [UDP, UDP6, SSH, RELAY] });
    bench.tell({ type: "open", id: RELAY.id, isOpen: true });
    bench.answer(UDP, 20);
    bench.answer(RELAY, 60);
    bench.tell({ type: "heard", id: RELAY.id });
    const startMs = bench.nowMs;
    bench.tell({ type: "session", isUp: true });
    bench.run(1000);
    const [running] = bench.paths.status().attempts;
    expect(running).toMatchObject({ cause: "a session is up", startedMs: startMs, endedMs: null });
    bench.run(20_000);
    const [attempt] = bench.paths.status().attempts;
    expect(attempt!.endedMs! - startMs).toBe(10_000);
    expect(attempt!.entries).toMatchObject([
      {
        id: UDP.id,
        transport: "udp",
        label: UDP.label,
        triedAtMs: startMs,
        heardAtMs: startMs + 20,
        answeredAtMs: startMs + 20,
        rttMs: 20,
        isWinner: true,
        outcome: "UDP works and is preferred to relay",
      },
      { id: UDP6.id, triedAtMs: startMs, answeredAtMs: null, rttMs: null, isWinner: false, outcome: "no answer" },
      { id: SSH.id, triedAtMs: null, probes: 0, isWinner: false, outcome: "not connected" },
      {
        id: RELAY.id,
        heardAtMs: startMs,
        answeredAtMs: startMs + 60,
        isWinner: false,
        outcome: "answers, but UDP is preferred",
      },
    ]);
  });

  it("says how a slower path of the same transport lost, and what still runs", () => {
    const bench = Bench.connected([UDP, UDP6, RELAY]);
    bench.run(500);
    expect(bench.paths.status().attempts[0]!.entries[0]).toMatchObject({
      outcome: expect.stringMatching(/^no answer to \d probes$/),
    });
    bench.answer(UDP, 20);
    bench.answer(UDP6, 45);
    bench.run(15_000);
    expect(bench.paths.status().attempts[0]!.entries[1]).toMatchObject({
      isWinner: false,
      outcome: "answers in 45 ms, the path in use in 20 ms",
    });
  });

  it("takes in candidates that come up on the way", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.answer(UDP6, 10);
    bench.run(1000);
    bench.tell({ type: "candidates", candidates: [UDP, UDP6, RELAY] });
    bench.run(10_000);
    expect(bench.paths.status().attempts[0]!.entries.at(-1)).toMatchObject({ id: UDP6.id, isWinner: true });
  });

  it("is written anew on another network and with each session, and only the latest are kept", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.run(2000);
    for (let i = 0; i < 20; i++) {
      bench.tell({ type: "network-changed" });
      bench.run(1000);
    }
    bench.tell({ type: "session", isUp: false });
    bench.run(1000);
    bench.tell({ type: "session", isUp: true });
    const { attempts } = bench.paths.status();
    expect(attempts).toHaveLength(9);
    expect(attempts.slice(-2).map(({ cause }) => cause)).toEqual(["the network changed", "a session is up"]);
    expect(attempts.slice(0, -1).every(({ endedMs }) => endedMs !== null)).toBe(true);
  });

  it("does not grow without bound with its candidates", () => {
    const bench = Bench.connected([UDP, RELAY]);
    for (let i = 0; i < 200; i++) {
      bench.tell({ type: "candidates", candidates: [{ ...UDP, label: `192.0.2.1:${i}` }, RELAY] });
    }
    expect(bench.paths.status().attempts[0]!.entries.length).toBeLessThanOrEqual(32);
  });
});

describe("the status", () => {
  it("keeps the latest decisions, with reasons", () => {
    const bench = Bench.connected([UDP, RELAY]);
    for (let i = 0; i < 30; i++) {
      bench.tell({ type: "open", id: RELAY.id, isOpen: i % 2 === 1 });
      bench.tell({ type: "candidates", candidates: i % 2 === 0 ? [RELAY] : [UDP, RELAY] });
      bench.run(5000);
    }
    const { decisions } = bench.paths.status();
    expect(decisions).toHaveLength(16);
    expect(decisions.every(({ reason }) => reason.length > 0)).toBe(true);
  });

  it("tells what is usable, how far away and how lossy it is", () => {
    const bench = Bench.connected([UDP, RELAY]);
    bench.answer(UDP, 20);
    bench.dataEveryMs = 50;
    bench.run(5000);
    expect(bench.paths.status()).toMatchObject({
      primary: UDP.id,
      second: null,
      isWorking: true,
      whySecond: null,
      paths: [
        { id: UDP.id, isUsable: true, rttMs: 20, lossRate: expect.closeTo(0, 1), detail: "in use" },
        { id: RELAY.id, isUsable: false, rttMs: null, lastReplyMs: null, detail: "no answer" },
      ],
    });
  });
});
