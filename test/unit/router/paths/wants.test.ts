import { describe, expect, it } from "vitest";
import { Bench, RELAY, SSH, UDP, UDP6 } from "./bench.ts";

/** UDP and relay answer or not; SSH is a candidate that is not connected. */
function bench({ udp, relay }: { udp: boolean; relay: boolean }): Bench {
  const made = new Bench();
  made.tell({ type: "candidates", candidates: [UDP, SSH, RELAY] });
  if (relay) made.tell({ type: "open", id: RELAY.id, isOpen: true });
  if (udp) made.answer(UDP, 20);
  if (relay) made.answer(RELAY, 60);
  made.tell({ type: "heard", id: relay ? RELAY.id : UDP.id });
  made.tell({ type: "session", isUp: true });
  return made;
}

const asked = (made: Bench, transport: "udp" | "ssh") =>
  made
    .actions("want")
    .filter((action) => action.transport === transport)
    .map(({ atMs }) => atMs);

describe("SSH is asked for", () => {
  it("for a peer with traffic that has no UDP, again and again, and after a second at the earliest", () => {
    const made = bench({ udp: false, relay: true });
    made.dataEveryMs = 100;
    const startMs = made.nowMs;
    made.run(60_000);
    const times = asked(made, "ssh").map((atMs) => Math.round((atMs - startMs) / 1000));
    expect(times).toEqual([1, 16, 31, 46]);
  });

  it("not for an idle one", () => {
    const made = bench({ udp: false, relay: true });
    made.run(600_000);
    expect(asked(made, "ssh")).toEqual([]);
  });

  it("not where UDP works", () => {
    const made = bench({ udp: true, relay: true });
    made.dataEveryMs = 100;
    made.run(60_000);
    expect(asked(made, "ssh")).toEqual([]);
  });

  it("at once when UDP falls silent", () => {
    const made = bench({ udp: true, relay: true });
    made.dataEveryMs = 100;
    made.run(60_000);
    made.mute(UDP);
    made.run(1500);
    expect(asked(made, "ssh")).toHaveLength(1);
  });

  it("as something to fall back on where there is no relay", () => {
    const made = bench({ udp: true, relay: false });
    made.dataEveryMs = 100;
    made.run(5000);
    expect(asked(made, "ssh")).toHaveLength(1);
  });

  it("as long as it is in use and there is traffic", () => {
    const made = bench({ udp: false, relay: true });
    made.answer(SSH, 20);
    made.tell({ type: "open", id: SSH.id, isOpen: true });
    made.dataEveryMs = 100;
    made.run(60_000);
    expect(made.primary).toBe(SSH.id);
    expect(asked(made, "ssh")).toHaveLength(4);
    made.dataEveryMs = undefined;
    made.run(60_000);
    const before = asked(made, "ssh").length;
    made.run(600_000);
    expect(asked(made, "ssh")).toHaveLength(before);
  });

  it("without a session only when data waits and no pipe is open", () => {
    const made = new Bench();
    made.tell({ type: "candidates", candidates: [UDP, SSH, RELAY] });
    made.run(100_000);
    expect(asked(made, "ssh")).toEqual([]);
    made.tell({ type: "active" });
    expect(asked(made, "ssh")).toEqual([made.nowMs]);
    made.tell({ type: "open", id: RELAY.id, isOpen: true });
    made.run(100_000);
    expect(asked(made, "ssh")).toHaveLength(1);
  });

  it("not when it is excluded, or no candidate", () => {
    const made = bench({ udp: false, relay: true });
    made.tell({ type: "preference", order: ["udp", "ssh", "relay"], excluded: ["ssh"], preferred: null });
    made.dataEveryMs = 100;
    made.run(30_000);
    made.tell({ type: "candidates", candidates: [UDP, RELAY] });
    made.tell({ type: "preference", order: ["udp", "ssh", "relay"], excluded: [], preferred: null });
    made.run(30_000);
    expect(asked(made, "ssh")).toEqual([]);
  });
});

describe("punching is asked for", () => {
  /** Seconds after the start, roughly. */
  const times = (made: Bench, startMs: number) =>
    asked(made, "udp").flatMap((atMs) => (atMs < startMs ? [] : [Math.round((atMs - startMs) / 1000)]));

  it("while data has to go by something worse than UDP, ever more rarely", () => {
    const made = bench({ udp: false, relay: true });
    made.dataEveryMs = 100;
    made.run(20_000);
    const startMs = made.nowMs;
    made.tell({ type: "network-changed" });
    made.run(400_000);
    expect(times(made, startMs)).toEqual([0, 15, 45, 105, 225, 345]);
    made.answer(UDP, 20);
    made.run(200_000);
    const before = asked(made, "udp").length;
    made.run(400_000);
    expect(asked(made, "udp")).toHaveLength(before);
  });

  it("at once on another network, and soon when there is news to tell, or another path to tell it by", () => {
    const made = bench({ udp: false, relay: true });
    made.dataEveryMs = 100;
    made.run(100_000);
    made.tell({ type: "network-changed" });
    const startMs = made.nowMs;
    made.tell({ type: "callable" });
    made.run(5000);
    expect(times(made, startMs)).toEqual([0, 1]);
    made.tell({ type: "callable" });
    made.run(100);
    expect(times(made, startMs)).toEqual([0, 1, 5]);
    made.run(3000);
    made.answer(SSH, 20);
    made.tell({ type: "open", id: SSH.id, isOpen: true });
    made.run(1000);
    expect(made.primary).toBe(SSH.id);
    expect(times(made, startMs)).toEqual([0, 1, 5, 8]);
  });

  it("for data that waits for a session", () => {
    const made = new Bench();
    made.tell({ type: "candidates", candidates: [UDP, SSH, RELAY] });
    made.tell({ type: "open", id: RELAY.id, isOpen: true });
    made.tell({ type: "active" });
    expect(asked(made, "udp")).toEqual([made.nowMs]);
  });

  it("not for an idle peer, nor for one without a UDP address", () => {
    const made = bench({ udp: false, relay: true });
    made.run(100_000);
    made.tell({ type: "callable" });
    made.tell({ type: "candidates", candidates: [SSH, RELAY] });
    made.dataEveryMs = 100;
    made.run(100_000);
    expect(asked(made, "udp")).toEqual([]);
  });
});

it("a call of the peer starts a burst of probes by every UDP path that does not work, and disturbs no other", () => {
  const made = bench({ udp: true, relay: true });
  made.dataEveryMs = 100;
  made.tell({ type: "candidates", candidates: [UDP, UDP6, SSH, RELAY] });
  made.run(60_000);
  const calledMs = made.nowMs;
  made.tell({ type: "called" });
  made.run(1000);
  expect(made.gapsOf(UDP6, calledMs).map(Math.round)).toEqual([50, 100, 200, 400]);
  expect(made.primary).toBe(UDP.id);
  made.run(20_000);
  made.tell({ type: "called" });
  made.tell({ type: "called" });
  expect(made.actions("probe", made.nowMs).filter(({ id }) => id === UDP6.id)).toHaveLength(1);
});
