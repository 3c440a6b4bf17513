import { describe, expect, it } from "vitest";
import { makeKeyPair } from "../../support/wireguard-lab/keys.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";
import { peerOf } from "../../support/wireguard-lab/wireguard-end.ts";

/** Well below Rekey-Timeout: nobody waited for a retry. */
const AT_ONCE_MS = 2500;

describe("7: another private key", () => {
  it("of ours: both ends shake hands at once, and the old key is worth nothing", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock, settings } = tunnel;
    await tunnel.connected();
    const oldKey = ours.publicKey;
    const keys = makeKeyPair();
    await stock.setPeers([{ ...settings[1], publicKey: keys.publicKey }]);
    const startedAtMs = performance.now();
    await ours.setKeys(keys);
    await tunnel.connected();
    expect(performance.now() - startedAtMs).toBeLessThan(AT_ONCE_MS);
    expect((await peerOf(stock, keys.publicKey)).lastHandshakeSeconds).toBeGreaterThan(0);

    // Back again: the timestamps of the old key go on, so that peers that remember them agree.
    await stock.setPeers([{ ...settings[1], publicKey: oldKey }]);
    await ours.setKeys({ privateKey: tunnel.keys[0].privateKey, publicKey: oldKey });
    await tunnel.connected();
  });

  it("of theirs: the tunnel follows as soon as it is told the new public key", async () => {
    await using tunnel = await TunnelLab.withStock();
    const { first: ours, second: stock, settings } = tunnel;
    await tunnel.connected();
    const keys = makeKeyPair();
    await stock.setKeys(keys);
    const startedAtMs = performance.now();
    await ours.setPeers([{ ...settings[0], publicKey: keys.publicKey }]);
    await tunnel.connected();
    expect(performance.now() - startedAtMs).toBeLessThan(AT_ONCE_MS);
    for (const family of ["v4", "v6"] as const) expect(await ping(stock.host, INNER[family][0])).toBe(3);
  });
});
