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

describe("what path MTU discovery finds out", () => {
  it("ends the hold of a path that lost large messages: they are smaller now", () => {
    const bench = flowing();
    bench.loseLarge(UDP);
    expect(bench.primary).toBe(RELAY.id);
    bench.isLarge = false;
    bench.tell({ type: "capacity", id: UDP.id, isNarrow: false });
    bench.run(500);
    expect(bench.primary).toBe(UDP.id);
  });

  it("does not end the hold of a path that loses all data", () => {
    const bench = flowing();
    bench.deadFor.add(UDP.id);
    bench.run(500);
    bench.tell({ type: "capacity", id: UDP.id, isNarrow: false });
    bench.run(1000);
    expect(bench.primary).toBe(RELAY.id);
  });

  it("a path too narrow for IPv6 is left for one that is not, and used for want of another", () => {
    const bench = flowing();
    bench.tell({ type: "capacity", id: UDP.id, isNarrow: true });
    expect(bench.primary).toBe(RELAY.id);
    const reason = "UDP does not carry IPv6's minimum of 1280 bytes";
    expect(bench.paths.status().reason).toBe(reason);
    expect(bench.detailOf(UDP)).toBe(reason);
    bench.run(30_000);
    expect(bench.primary).toBe(RELAY.id);
    bench.tell({ type: "open", id: RELAY.id, isOpen: false });
    bench.run(100);
    expect(bench.primary).toBe(UDP.id);
    bench.tell({ type: "open", id: RELAY.id, isOpen: true });
    bench.tell({ type: "capacity", id: UDP.id, isNarrow: false });
    bench.run(5000);
    expect(bench.primary).toBe(UDP.id);
  });
});
