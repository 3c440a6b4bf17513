import { describe, expect, it } from "vitest";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";
import { peerOf } from "../../support/wireguard-lab/wireguard-end.ts";

const INITIATION = 148;
const RESPONSE = 92;
/** An echo packet of 84 bytes, padded to 96, with header and tag. */
const ECHO = 96 + 32;
const COUNT = 10;

describe("1: counters and handshake time", () => {
  it.each(["first", "second"] as const)("are exact, and the same at both ends; the %s initiates", async (initiator) => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock } = tunnel;
    const startedSeconds = Math.floor(Date.now() / 1000);
    const [from, to] = initiator === "first" ? [ours, INNER.v4[1]] : [stock, INNER.v4[0]];
    expect(await ping(from.host, to, { count: COUNT })).toBe(COUNT);

    const [ourView, theirView] = [await peerOf(ours, stock.publicKey), await peerOf(stock, ours.publicKey)];
    const [initiatorBytes, responderBytes] = [INITIATION + COUNT * ECHO, RESPONSE + COUNT * ECHO];
    const [ourTx, ourRx] = from === ours ? [initiatorBytes, responderBytes] : [responderBytes, initiatorBytes];
    expect({ tx: ourView.txBytes, rx: ourView.rxBytes }).toEqual({ tx: ourTx, rx: ourRx });
    expect({ tx: theirView.txBytes, rx: theirView.rxBytes }).toEqual({ tx: ourRx, rx: ourTx });
    expect(Math.abs(ourView.lastHandshakeSeconds - theirView.lastHandshakeSeconds)).toBeLessThanOrEqual(1);
    expect(ourView.lastHandshakeSeconds).toBeGreaterThanOrEqual(startedSeconds);
    expect(ourView.lastHandshakeSeconds).toBeLessThanOrEqual(Math.floor(Date.now() / 1000));
  });
});
