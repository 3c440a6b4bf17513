import { describe, expect, it } from "vitest";
import { Capture } from "../support/wireguard-lab/capture.ts";
import { ping, tcpThroughput } from "../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab, UNDERLAY } from "../support/wireguard-lab/tunnel-lab.ts";

const RESPONSE = 2;

describe("renewing the session, a hundred and twenty times as often", () => {
  const timings = { rekeyAfterMs: 1000, rejectAfterMs: 4000, rekeyTimeoutMs: 250, keepaliveTimeoutMs: 1000 };

  it("with wireguard-go: no echo request is lost over three renewals", async () => {
    await using tunnel = await TunnelLab.withStock({ ours: { timings } });
    const { first: ours, second: stock } = tunnel;
    await tunnel.connected();
    await using capture = await Capture.start(stock.host, UNDERLAY, "udp port 51820");
    const flow = { count: 225, intervalSeconds: 0.02 };
    const answered = await Promise.all([ping(ours.host, INNER.v4[1], flow), ping(stock.host, INNER.v6[0], flow)]);
    expect(answered).toEqual([225, 225]);
    const responses = await capture.seen("handshake response", ({ payload }) => payload[0] === RESPONSE, 3);
    expect(responses.length).toBeLessThanOrEqual(6);
    expect((await ours.drops())["in-unknown-receiver"]).toBe(0);
  });

  it("between two of ours under full load: the flow goes on, and hardly a segment is sent twice", async () => {
    await using tunnel = await TunnelLab.ofOurs({ ours: { timings } });
    const [first, second] = [tunnel.first.host, tunnel.second.host];
    await tunnel.connected();
    const capture = await Capture.start(second, UNDERLAY, "udp port 51820 and less 200");
    for (const reverse of [false, true]) {
      const run = await tcpThroughput(first, second, INNER.v4[1], { seconds: 3, reverse });
      expect(run.receivedBytes).toBeGreaterThan(50e6);
      expect(run.retransmitsPerMegabyte).toBeLessThan(2);
    }
    await capture.seen("handshake response", ({ payload }) => payload[0] === RESPONSE, 4);
    await capture[Symbol.asyncDispose]();
    for (const end of [tunnel.first, tunnel.second]) {
      const drops = await end.drops();
      expect({ worn: drops["out-session-worn"], expired: drops["in-session-expired"] }).toEqual({
        worn: 0,
        expired: 0,
      });
    }
  });
});
