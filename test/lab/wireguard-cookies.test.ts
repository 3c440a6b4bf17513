import { describe, expect, it } from "vitest";
import { COOKIE_REPLY_BYTES, INITIATION_BYTES, MAC_BYTES, MessageType } from "../../src/wireguard/constants.ts";
import { eventually } from "../support/lab/eventually.ts";
import { Capture, type CapturedDatagram } from "../support/wireguard-lab/capture.ts";
import { startShower } from "../support/wireguard-lab/datagram-source.ts";
import { initiationOfNoise } from "../support/wireguard-lab/forged-messages.ts";
import { ping } from "../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab, UNDERLAY } from "../support/wireguard-lab/tunnel-lab.ts";
import { LISTEN_PORT, peerOf } from "../support/wireguard-lab/wireguard-end.ts";

const DISTINCT_INITIATIONS = 500;
const NOT_THE_STRANGER = `udp port ${LISTEN_PORT} and not host ${OUTER.v4[2]}`;

describe("cookies under a flood of initiations", () => {
  it("ours: wireguard-go is asked for one, brings it, and gets its handshake", async () => {
    await using tunnel = await TunnelLab.withStock({ knowing: "second" });
    const { first: ours, second: stock, stranger } = tunnel;
    await using capture = await Capture.start(ours.host, UNDERLAY, NOT_THE_STRANGER);
    const initiations = Array.from({ length: DISTINCT_INITIATIONS }, () => initiationOfNoise(ours.publicKey));
    await using flood = await startShower(stranger, initiations, {
      address: OUTER.v4[0],
      port: LISTEN_PORT,
      total: 1_000_000,
      perSecond: 1500,
    });
    await eventually("we are under load", async () => (await ours.drops())["handshake-cookie-demanded"] > 0);
    await tunnel.connected(stock);
    expect(flood.isRunning).toBe(true);
    expect(await ping(ours.host, INNER.v4[1], { count: 20 })).toBe(20);

    const datagrams = capture.datagrams();
    expect(datagrams.filter(isCookieReply).length).toBeGreaterThan(0);
    expect(datagrams.filter(isInitiation).map(carriesCookie).slice(0, 2)).toEqual([false, true]);
    expect((await peerOf(ours, stock.publicKey)).lastHandshakeSeconds).toBeGreaterThan(0);
    // The stranger proved no address: all its messages came to nothing, and cheaply.
    expect((await ours.drops())["handshake-cookie-demanded"]).toBeGreaterThan(1000);
  });

  it("theirs: we bring the cookie that wireguard-go demands, and get our handshake", async () => {
    const timings = { rekeyTimeoutMs: 300, rekeyJitterMs: 50 };
    await using tunnel = await TunnelLab.withStock({ knowing: "first", ours: { timings } });
    const { first: ours, second: stock, stranger } = tunnel;
    await using capture = await Capture.start(ours.host, UNDERLAY, NOT_THE_STRANGER);
    const initiations = Array.from({ length: DISTINCT_INITIATIONS }, () => initiationOfNoise(stock.publicKey));
    const floodOptions = { address: OUTER.v4[1], port: LISTEN_PORT, total: 100_000_000 };
    await using first = await startShower(stranger, initiations, floodOptions);
    await using second = await startShower(stranger, initiations, floodOptions);
    // They count as under load only while their queue is long: until we hit that, and answered it, begin anew.
    await eventually(
      "an initiation of ours with a cookie is answered",
      async () => {
        await ours.setPeers([]);
        await ours.setPeers(tunnel.settings.slice(0, 1));
        await ours.probe(stock.publicKey, 2000).catch(() => undefined);
        const initiations = capture.datagrams().filter(isInitiation);
        return initiations.some(carriesCookie) && (await peerOf(ours, stock.publicKey)).lastHandshakeSeconds > 0;
      },
      { timeoutMs: 40_000 },
    );
    await Promise.all([first.kill(), second.kill()]);
    expect(capture.datagrams().filter(isCookieReply).length).toBeGreaterThan(0);
    await tunnel.connected();
  });
});

function isCookieReply({ payload }: CapturedDatagram): boolean {
  return payload[0] === MessageType.cookieReply && payload.length === COOKIE_REPLY_BYTES;
}

function isInitiation({ payload }: CapturedDatagram): boolean {
  return payload[0] === MessageType.initiation && payload.length === INITIATION_BYTES;
}

/** Whether MAC2 of an initiation is filled in. */
function carriesCookie({ payload }: CapturedDatagram): boolean {
  return payload.subarray(INITIATION_BYTES - MAC_BYTES).some((byte) => byte !== 0);
}
