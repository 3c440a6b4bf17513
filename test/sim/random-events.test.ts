import fc from "fast-check";
import { expect, it } from "vitest";
import { TRANSPORT_NAMES } from "../../src/base/transports.ts";
import type { Link, LinkOptions, Way } from "./link.ts";
import { SimPair } from "./sim-pair.ts";

const LINKS: readonly LinkOptions[] = [
  { transport: "udp", rttMs: 20, label: "udp4", jitterMs: 1, loss: 0.005 },
  { transport: "udp", rttMs: 35, label: "udp6", jitterMs: 1, loss: 0.005 },
  { transport: "ssh", rttMs: 24, jitterMs: 1 },
  { transport: "relay", rttMs: 60, jitterMs: 1 },
];
const SSH = 2;
const RELAY = 3;
/** A relay connects again by itself. */
const RELAY_RETURNS_MS = 2000;
const SETTLE_MS = 30_000;

type Happening =
  | {
      readonly kind: "trouble";
      readonly link: number;
      readonly ways: readonly (0 | 1)[];
      readonly trouble: Partial<Way>;
    }
  | { readonly kind: "heal"; readonly link: number }
  | { readonly kind: "network-changed"; readonly peer: 0 | 1 }
  | { readonly kind: "pipe-closes"; readonly link: number };

const link = fc.nat(LINKS.length - 1);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    kind: fc.constant("trouble" as const),
    link,
    ways: fc.constantFrom<readonly (0 | 1)[]>([0], [1], [0, 1]),
    trouble: fc.constantFrom<Partial<Way>>({ dropsAll: true }, { dropsData: true }, { dropsLarge: true }),
  }),
  fc.record({ kind: fc.constant("heal" as const), link }),
  fc.record({ kind: fc.constant("network-changed" as const), peer: fc.constantFrom<0 | 1>(0, 1) }),
  fc.record({ kind: fc.constant("pipe-closes" as const), link: fc.constantFrom(SSH, RELAY) }),
);
const story = fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 6000 }), what: happening }), {
  minLength: 1,
  maxLength: 10,
});

/** A pair with traffic, and how long its ends differed without a reason. */
class Observed {
  readonly pair: SimPair;
  longestDifferenceMs = 0;
  /** Paths that have lost data: they may be left alone for a while even when they are whole again. */
  readonly tainted = new Set<Link>();
  #differSinceMs: number | undefined;

  constructor(seed: number, leader: 0 | 1) {
    this.pair = new SimPair({ links: LINKS, seed, leader });
    this.pair.connect(RELAY);
    this.pair.time.every(10, () => this.#look());
  }

  apply(what: Happening): void {
    const { links, peers, time } = this.pair;
    switch (what.kind) {
      case "trouble": {
        const troubled = links[what.link]!;
        troubled.set(what.trouble, what.ways);
        if (!what.trouble.dropsAll) this.tainted.add(troubled);
        return;
      }
      case "heal":
        links[what.link]!.heal();
        return;
      case "network-changed":
        peers[what.peer].tell({ type: "network-changed" });
        return;
      case "pipe-closes": {
        const pipe = links[what.link]!;
        if (!pipe.isOpen) return;
        this.pair.setOpen(pipe, false);
        if (what.link === RELAY) time.after(RELAY_RETURNS_MS, () => pipe.isOpen || this.pair.setOpen(pipe, true));
      }
    }
  }

  /** What happened at both ends, for whoever has to find out why. */
  describe(): string {
    return this.pair.peers
      .map((peer) =>
        peer.decisions
          .map(({ atMs, to, reason }) => `${(atMs - 1_000_000).toFixed(0)} ms ${peer.linkOf(to)?.label}: ${reason}`)
          .join("\n"),
      )
      .join("\n--\n");
  }

  /** Nothing keeps either end from using it. */
  #isGood(link: Link | undefined): boolean {
    return link?.isSound === true && !this.tainted.has(link);
  }

  #look(): void {
    const { nowMs } = this.pair.time;
    const [a, b] = this.pair.peers.map((peer) => peer.primaryLink);
    const differ = a !== b && this.#isGood(a) && this.#isGood(b);
    this.#differSinceMs = differ ? (this.#differSinceMs ?? nowMs) : undefined;
    this.longestDifferenceMs = Math.max(this.longestDifferenceMs, nowMs - (this.#differSinceMs ?? nowMs));
  }
}

function isBetter(link: Link, than: Link | undefined): boolean {
  const rankOf = ({ transport }: Link) => TRANSPORT_NAMES.indexOf(transport);
  if (than === undefined || rankOf(link) < rankOf(than)) return true;
  return link.transport === than.transport && link.rttMs < than.rttMs;
}

it("after any sequence of troubles both ends soon send by the best path that works, and data arrives", {
  timeout: 120_000,
}, () => {
  fc.assert(
    fc.property(story, fc.nat(1000), fc.constantFrom<0 | 1>(0, 1), (events, seed, leader) => {
      const observed = new Observed(seed, leader);
      const { pair } = observed;
      const flows = [pair.flow(0, 20), pair.flow(1, 20), pair.flow(0, 40, 1200), pair.flow(1, 40, 1200)];
      pair.time.run(5000);
      for (const { waitMs, what } of events) {
        pair.time.run(waitMs);
        observed.apply(what);
      }
      pair.time.run(SETTLE_MS);
      const why = observed.describe();
      const sound = pair.links.filter((each) => each.isSound);
      if (sound.length === 0) return;
      const [a, b] = pair.peers.map((peer) => peer.primaryLink);
      expect([a?.carries(0), b?.carries(1)], why).toEqual([true, true]);
      // Two paths that each carry one way only serve as well as one that carries both.
      if (a !== b) expect([a?.isSound, b?.isSound], why).toEqual([false, false]);
      const missed = sound.filter((each) => !observed.tainted.has(each) && (isBetter(each, a) || isBetter(each, b)));
      expect(
        missed.map(({ label }) => label),
        why,
      ).toEqual([]);
      expect(observed.longestDifferenceMs, why).toBeLessThanOrEqual(3000);
      const gaps = flows.map((flow) => flow.longestGapMs(pair.time.nowMs - 5000));
      expect(Math.max(...gaps), why).toBeLessThanOrEqual(250);
    }),
    { numRuns: 60 },
  );
});
