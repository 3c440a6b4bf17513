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

const COUNTS = ["probe", "sent", "tick", "event", "want", "decided"] as const;

/** What the hub of a thousand pairs does in a second while this runs, on the mean. */
function perSecond(pairs: readonly SimPair[], durationMs: number): Record<(typeof COUNTS)[number], number> {
  const totals = () => COUNTS.map((count) => pairs.reduce((sum, { peers }) => sum + peers[0].counts[count], 0));
  const before = totals();
  pairs[0]!.time.run(durationMs);
  const rates = totals().map((total, i) => (total - before[i]!) / (durationMs / 1000));
  return Object.fromEntries(COUNTS.map((count, i) => [count, rates[i]])) as ReturnType<typeof perSecond>;
}

it("a thousand idle peers cost next to nothing, and asleep nothing", { timeout: 120_000 }, async ({ annotate }) => {
  const time = new VirtualTime();
  const pairs = Array.from(
    { length: PEERS },
    (_, seed) => new SimPair({ time, seed, links: LINKS, leader: seed % 2 === 0 ? 0 : 1 }),
  );
  for (const pair of pairs) pair.connect(2);
  // The candidates are tried out.
  time.run(120_000);
  const describe = ({ probe, sent, tick }: ReturnType<typeof perSecond>) =>
    `${probe.toFixed(1)} probes, ${sent.toFixed(1)} messages, ${tick.toFixed(1)} timers`;
  const idle = perSecond(pairs, 170_000);
  await annotate(`${PEERS} idle peers, a second: ${describe(idle)}`);
  expect(idle.probe).toBeLessThan(45);
  expect(idle.tick).toBeLessThan(45);
  expect(idle.event).toBeLessThan(120);
  // Nobody asks for SSH connections, and nothing changes.
  expect([idle.want, idle.decided]).toEqual([0, 0]);
  const hub = pairs.map((pair) => pair.peers[0]);
  expect(hub.every((peer) => peer.primaryLink?.label === "udp")).toBe(true);

  time.run(300_000);
  const startCpu = process.cpuUsage();
  const asleep = perSecond(pairs, HOUR_MS);
  const { user, system } = process.cpuUsage(startCpu);
  await annotate(`asleep: ${describe(asleep)}; CPU of the hour: ${Math.round((user + system) / 1000)} ms`);
  expect(asleep).toEqual({ probe: 0, sent: 0, tick: 0, event: 0, want: 0, decided: 0 });
  expect(hub[0]!.decisions.at(-1)).toMatchObject({ to: null, reason: expect.stringMatching(/^asleep/) });
});

it("a sleeping peer is woken by traffic, through the relay at once, and is direct again soon", () => {
  for (const end of [0, 1] as const) {
    const pair = new SimPair({ links: LINKS });
    pair.connect(2);
    pair.time.run(HOUR_MS);
    expect(pair.peers.map((peer) => peer.primary)).toEqual([null, null]);
    // What kept the way open for UDP has gone meanwhile: nothing comes by it before both ends have asked.
    const [udp, , relay] = pair.links;
    udp!.set({ dropsAll: true });
    const wokenMs = pair.time.nowMs;
    const flow = pair.flow(end, 10);
    pair.time.run(200);
    udp!.heal();
    // WireGuard's own minimum: a handshake, and then the data.
    expect(flow.longestGapMs(wokenMs)).toBeLessThanOrEqual(1.5 * relay!.rttMs + 20);
    pair.time.run(1500);
    expect(pair.peers.map((peer) => peer.primaryLink)).toEqual([udp, udp]);
    flow.stop();
    pair.time.run(1000);
    expect(flow.lost()).toBe(0);
  }
});

it("who has no relay to be woken by is kept ready", () => {
  const pair = new SimPair({ links: LINKS.filter(({ transport }) => transport !== "relay") });
  pair.connect(0);
  pair.time.run(HOUR_MS);
  const [alice] = pair.peers;
  expect(alice.primaryLink?.label).toBe("udp");
  const before = alice.counts.sent;
  pair.time.run(60_000);
  expect(alice.counts.sent - before).toBeGreaterThanOrEqual(2);
});
