import { expect, it } from "vitest";
import type { LinkOptions } from "./link.ts";
import { SimPair } from "./sim-pair.ts";
import { VirtualTime } from "./virtual-time.ts";

const PEERS = 1000;
const HOUR_MS = 3_600_000;

const LINKS: readonly LinkOptions[] = [
  { transport: "udp", rttMs: 20 },
  { transport: "udp", rttMs: 30, label: "unreachable", loss: 1 },
  { transport: "relay", rttMs: 60 },
  { transport: "ssh", rttMs: 25 },
];

it("a thousand idle peers cost next to nothing for an hour", { timeout: 120_000 }, async ({ annotate }) => {
  const time = new VirtualTime();
  const pairs = Array.from(
    { length: PEERS },
    (_, seed) => new SimPair({ time, seed, links: LINKS, leader: seed % 2 === 0 ? 0 : 1 }),
  );
  for (const pair of pairs) pair.connect(2);
  // The candidates are tried out.
  time.run(120_000);
  const hub = pairs.map((pair) => pair.peers[0]);
  const total = (count: "probe" | "tick" | "event" | "want" | "decided") =>
    hub.reduce((sum, peer) => sum + peer.counts[count], 0);
  const before = {
    probe: total("probe"),
    tick: total("tick"),
    event: total("event"),
    want: total("want"),
    decided: total("decided"),
  };
  time.run(HOUR_MS);
  const perSecond = (count: keyof typeof before) => (total(count) - before[count]) / (HOUR_MS / 1000);
  await annotate(
    `a second, of ${PEERS} peers: ${perSecond("probe").toFixed(1)} probes, ${perSecond("tick").toFixed(1)} ticks, ` +
      `${perSecond("event").toFixed(1)} events`,
  );
  expect(perSecond("probe")).toBeLessThan(45);
  expect(perSecond("tick")).toBeLessThan(45);
  expect(perSecond("event")).toBeLessThan(120);
  // Nobody asks for SSH connections, and nothing changes.
  expect(perSecond("want")).toBe(0);
  expect(perSecond("decided")).toBe(0);
  expect(hub.every((peer) => peer.primaryLink?.label === "udp")).toBe(true);
});
