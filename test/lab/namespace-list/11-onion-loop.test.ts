import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { eventually } from "../../support/lab/eventually.ts";
import type { StaticPeer } from "../../support/wireguard-lab/static-peer.ts";
import { ping } from "../../support/wireguard-lab/traffic.ts";
import { INNER, OUTER, TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";
import { endpointText, INTERFACE, peerOf } from "../../support/wireguard-lab/wireguard-end.ts";

const MAX_GROWTH_KIB = 64 * 1024;

describe("11: a tunnel whose endpoint lies behind itself", () => {
  it("without a session: initiations stay few, and a good endpoint ends it", async () => {
    await using tunnel = await TunnelLab.ofOurs();
    const { first, second, settings } = tunnel;
    const insideItself = { ...settings[0], endpoint: endpointText("10.99.0.77"), allowedIps: ["10.99.0.0/24"] };
    await first.setPeers([insideItself]);
    const residentKib = residentKibOf(first);
    await first.host.run("ping", "-q", "-f", "-c", "2000", "-w", "2", INNER.v4[1]);
    const peer = await peerOf(first, second.publicKey);
    expect(peer.lastHandshakeSeconds).toBe(0);
    // An initiation every five seconds, each to one address.
    expect(peer.txBytes).toBeLessThanOrEqual(3 * 148);
    expect(residentKibOf(first) - residentKib).toBeLessThan(MAX_GROWTH_KIB);
    await first.setPeers([]);
    await first.setPeers([settings[0]]);
    await tunnel.connected();
  });

  it.each(["v4", "v6"] as const)(
    "with a session, when the %s route to the endpoint turns into the tunnel: found out at once",
    async (outer) => {
      await using tunnel = await TunnelLab.ofOurs({ outer });
      const { first, settings } = tunnel;
      await first.setPeers([{ ...settings[0], allowedIps: ["0.0.0.0/0", "::/0"] }]);
      await tunnel.connected();
      const residentKib = residentKibOf(first);
      const before = await first.status();
      const route = [OUTER[outer][1], "dev", INTERFACE];
      await first.host.ip("route", "add", ...route);
      // As large as the MTU, so that what is sealed is fragmented on its way back into the tunnel.
      const pinged = ["-q", "-f", "-c", "1000", "-w", "2", "-s", "1392", INNER.v4[1]];
      const { stdout } = await first.host.run("ping", ...pinged);
      const sent = Number(/(\d+) packets transmitted/.exec(stdout)?.[1]);
      const after = await first.status();
      expect(after.drops["out-loop"] - before.drops["out-loop"]).toBeGreaterThanOrEqual(sent);
      // The packet, its two fragments when it comes back, and the second of them once more.
      expect(after.counters.tunFramesRead! - before.counters.tunFramesRead!).toBeLessThan(5 * sent);
      expect(residentKibOf(first) - residentKib).toBeLessThan(MAX_GROWTH_KIB);
      await first.host.ip("route", "delete", ...route);
      await eventually("the tunnel works again", async () => (await ping(first.host, INNER.v4[1])) === 3);
    },
  );
});

/** Resident memory of the tunnel's process. */
function residentKibOf({ process }: StaticPeer): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${process.pid}/status`, "utf8"))?.[1]);
}
