import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MeshError } from "../../../../src/base/errors.ts";
import type { DataCommand, DataEvent } from "../../../../src/router/shared/commands.ts";
import { PingTracker } from "../../../../src/router/tunnel/ping-tracker.ts";

const ID = 77;
let posted: DataCommand[];
let pings: PingTracker;

beforeEach(() => {
  vi.useFakeTimers();
  posted = [];
  const describePath = () => ({ transport: "udp", endpoint: "[fd00::1]:5" }) as const;
  pings = new PingTracker(ID, (commands) => posted.push(...commands), describePath);
});

afterEach(() => {
  vi.useRealTimers();
});

function reply(peer: number, sequence: number, id = ID): Extract<DataEvent, { type: "probe-reply" }> {
  const endpoint = { address: "fd00::1", port: 5 };
  const path = { path: null, counts: null, isTheirPrimary: false, seenFrom: null };
  return { type: "probe-reply", peer, id, sequence, rttMs: 1.5, endpoint, ...path };
}

describe("pings", () => {
  it("are answered by the reply of their peer and sequence", async () => {
    const first = pings.ping(3, 1000);
    const second = pings.ping(4, 1000);
    expect(posted).toEqual([
      { type: "send-probe", peer: 3, path: null, id: ID, sequence: 1 },
      { type: "send-probe", peer: 4, path: null, id: ID, sequence: 2 },
    ]);
    pings.receive(reply(4, 2));
    pings.receive(reply(3, 1));
    const answer = { rttMs: 1.5, transport: "udp", endpoint: "[fd00::1]:5" };
    expect(await Promise.all([first, second])).toEqual([answer, answer]);
  });

  it("time out, deaf to replies of others and of an earlier process", async () => {
    const ping = pings.ping(3, 1000);
    const failure = expect(ping).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("1000 ms"),
    });
    for (const stranger of [reply(4, 1), reply(3, 9), reply(3, 1, 78)]) pings.receive(stranger);
    await vi.advanceTimersByTimeAsync(1000);
    await failure;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are sent again when a session of their peer comes up", () => {
    void pings.ping(3, 1000).catch(() => {});
    void pings.ping(4, 1000).catch(() => {});
    posted.length = 0;
    pings.repeat(3);
    expect(posted).toEqual([{ type: "send-probe", peer: 3, path: null, id: ID, sequence: 1 }]);
    pings.abort(new MeshError("data-plane-failed", "over"));
  });

  it("all fail when the tunnel does", async () => {
    const ping = pings.ping(3, 1000);
    pings.abort(new MeshError("data-plane-failed", "over"));
    await expect(ping).rejects.toMatchObject({ code: "data-plane-failed" });
    expect(vi.getTimerCount()).toBe(0);
  });
});
