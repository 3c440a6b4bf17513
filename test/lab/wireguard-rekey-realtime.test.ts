import { describe, expect, it } from "vitest";
import { WHITEPAPER_TIMINGS } from "../../src/wireguard/constants.ts";
import { Capture, type CapturedDatagram } from "../support/wireguard-lab/capture.ts";
import { ping } from "../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab, UNDERLAY } from "../support/wireguard-lab/tunnel-lab.ts";

const INITIATION = 1;
const RESPONSE = 2;
const INTERVAL_SECONDS = 0.25;
/** Past Rekey-After-Time, with Rekey-Timeout and jitter on top. */
const FLOW_SECONDS = WHITEPAPER_TIMINGS.rekeyAfterMs / 1000 + 10;
const COUNT = FLOW_SECONDS / INTERVAL_SECONDS;

describe("renewing the session in real time, with wireguard-go", () => {
  it.concurrent.each(["first", "second"] as const)(
    "initiated by the %s end: renewed by it after 120 s, and no packet is lost",
    async (knowing) => {
      await using tunnel = await TunnelLab.withStock({ knowing });
      const { first: ours, second: stock } = tunnel;
      await using capture = await Capture.start(stock.host, UNDERLAY, "udp port 51820");
      await tunnel.connected(knowing === "first" ? ours : stock);
      const flow = { count: COUNT, intervalSeconds: INTERVAL_SECONDS };
      const answered = await Promise.all([ping(ours.host, INNER.v4[1], flow), ping(stock.host, INNER.v6[0], flow)]);
      expect(answered).toEqual([COUNT, COUNT]);

      const initiator = OUTER.v4[knowing === "first" ? 0 : 1];
      const initiations = capture.datagrams().filter(isOfType(INITIATION));
      expect(initiations.map(({ source }) => source)).toEqual([initiator, initiator]);
      expect(capture.datagrams().filter(isOfType(RESPONSE))).toHaveLength(2);
    },
    (FLOW_SECONDS + 60) * 1000,
  );
});

function isOfType(type: number): (datagram: CapturedDatagram) => boolean {
  return ({ payload }) => payload[0] === type;
}
