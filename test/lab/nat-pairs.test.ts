import { describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { PingFlow } from "../support/lab/ping-flow.ts";
import { type SiteKind, World } from "../support/lab/world.ts";

// Real daemons behind real routers. Whatever stands between two peers, they reach each other, and by the path that
// docs/nat.md has for the pair.

const DIRECT_LIMIT_MS = 15_000;

interface Pair {
  readonly a: SiteKind;
  readonly b: SiteKind;
  readonly transport: "udp" | "ssh" | "relay";
}

const PAIRS: readonly Pair[] = [
  { a: "open", b: "open", transport: "udp" },
  { a: "easy", b: "open", transport: "udp" },
  { a: "easy", b: "easy", transport: "udp" },
  { a: "hard", b: "open", transport: "udp" },
  { a: "hard", b: "easy", transport: "relay" },
  { a: "hard", b: "hard", transport: "relay" },
  { a: "double", b: "easy", transport: "udp" },
  { a: "no-udp", b: "open", transport: "ssh" },
  { a: "no-udp", b: "easy", transport: "relay" },
  { a: "only-443", b: "open", transport: "relay" },
  { a: "only-443", b: "no-udp", transport: "relay" },
];

async function meet(
  alice: MeshPeer,
  bob: MeshPeer,
  transport: string,
): Promise<{ firstMs: number; settledMs: number }> {
  const startMs = performance.now();
  await using flow = await PingFlow.start(alice.host, (await bob.status()).self!.ip4, 50);
  const firstMs = performance.now() - startMs;
  for (const [peer, name] of [
    [alice, "bob"],
    [bob, "alice"],
  ] as const) {
    await eventually(
      `${peer.host.label} reaches ${name} by ${transport}`,
      async () => ((await peer.peer(name))?.path?.transport === transport ? true : undefined),
      { timeoutMs: DIRECT_LIMIT_MS, intervalMs: 100 },
    );
  }
  const settledMs = performance.now() - startMs;
  flow.restart();
  await eventually("packets flow by it", () => (flow.answered > 20 ? true : undefined), { timeoutMs: 10_000 });
  return { firstMs, settledMs };
}

describe("two peers and what stands between them", () => {
  it.each(PAIRS)("$a and $b: $transport", async ({ a, b, transport }) => {
    await using world = await World.open();
    const [aliceHost] = await world.site(a, "alice");
    const [bobHost] = await world.site(b, "bob");
    const [alice, bob] = await Promise.all([world.join(aliceHost!), world.join(bobHost!)]);
    const { firstMs, settledMs } = await meet(alice, bob, transport);
    console.info(
      `${a}–${b}: first answer after ${Math.round(firstMs)} ms, ${transport} after ${Math.round(settledMs)} ms`,
    );
    expect((await alice.peer("bob"))?.path?.reason).not.toBe("");
  });

  it("behind the same router, without hairpin: by the addresses inside", async () => {
    await using world = await World.open();
    const [aliceHost, bobHost] = await world.site("easy", "alice", "bob");
    const [alice, bob] = await Promise.all([world.join(aliceHost!), world.join(bobHost!)]);
    await meet(alice, bob, "udp");
    expect((await alice.peer("bob"))?.path?.endpoint).toMatch(/^10\./);
  });
});
