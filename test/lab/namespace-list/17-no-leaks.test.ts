import { once } from "node:events";
import { readdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { HANDSHAKE_LIMITS } from "../../../src/wireguard/limits.ts";
import { eventually } from "../../support/lab/eventually.ts";
import type { StaticPeer } from "../../support/wireguard-lab/static-peer.ts";
import { TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";
import { INTERFACE } from "../../support/wireguard-lab/wireguard-end.ts";

const CYCLES = 60;
const slotWatch = fileURLToPath(new URL("../../support/wireguard-lab/slot-watch.mjs", import.meta.url));

describe("17: nothing is left over", () => {
  it(`${CYCLES} times a peer comes, shakes hands and goes: no descriptor, no thread, no key stays`, async () => {
    await using tunnel = await TunnelLab.ofOurs({ ours: { preload: slotWatch } });
    const { first, second, settings } = tunnel;
    await first.probe(second.publicKey, 10_000);
    expect(await filledSlots(first)).toBeGreaterThan(0);
    await first.setPeers([]);
    await eventually("every slot is wiped", async () => (await filledSlots(first)) === 0);
    const before = holdingsOf(first);
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await first.setPeers([settings[0]]);
      await first.probe(second.publicKey, 10_000);
      await first.setPeers([]);
      // Initiations that follow each other faster are dropped as a flood.
      await delay(HANDSHAKE_LIMITS.initiationIntervalMs);
    }
    await eventually("every slot is wiped", async () => (await filledSlots(first)) === 0);
    expect(holdingsOf(first)).toEqual(before);
    // The responder kept its peer all along, and with it a few keypairs and no more.
    expect(await filledSlots(second)).toBeLessThanOrEqual(3);
    await first.setPeers([settings[0]]);
    await first.probe(second.publicKey, 10_000);
  });

  it("a closed tunnel leaves no device, no socket and no process", async () => {
    await using tunnel = await TunnelLab.ofOurs();
    const { first } = tunnel;
    await tunnel.connected();
    const exited = once(first.process, "exit");
    await first[Symbol.asyncDispose]();
    expect(await exited).toEqual([0, null]);
    expect((await first.host.run("ip", "link", "show", "dev", INTERFACE)).status).not.toBe(0);
    for (const table of ["udp", "udp6"]) {
      const [, ...sockets] = (await first.host.must("cat", `/proc/net/${table}`)).trim().split("\n");
      expect(sockets).toEqual([]);
    }
    expect(await first.host.must("ip", "route", "show", "table", "all", "dev", INTERFACE).catch(() => "")).toBe("");
  });
});

/** Descriptors and threads of the tunnel's process. */
function holdingsOf({ process }: StaticPeer): { descriptors: number; threads: number } {
  return {
    descriptors: readdirSync(`/proc/${process.pid}/fd`).length,
    threads: readdirSync(`/proc/${process.pid}/task`).length,
  };
}

/** How many key slots hold something. */
async function filledSlots(peer: StaticPeer): Promise<number> {
  const asked = peer.events.length;
  peer.process.kill("SIGUSR2");
  const event = await eventually("the slots are counted", () =>
    peer.events.slice(asked).find((each) => each.event === "slots"),
  );
  return Number(event.filled);
}
