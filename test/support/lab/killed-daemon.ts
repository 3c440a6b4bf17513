import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { eventually } from "./eventually.ts";
import { hostState } from "./host-state.ts";
import { runMesh, startMesh } from "./mesh-command.ts";
import { MeshPeer } from "./mesh-peer.ts";

const preload = fileURLToPath(new URL("./die-at-step.mjs", import.meta.url));

/** A machine that has joined a network and whose daemon has ended. */
export type StoppedPeer = Pick<MeshPeer, "host" | "home" | "local">;

/** From `mesh up` to the end of `mesh down`, unless it is killed at that step on the way. */
async function liveUntil(
  peer: StoppedPeer,
  step: number,
): Promise<{ readonly wasKilled: boolean; readonly steps: number }> {
  const env = { NODE_OPTIONS: `--import file://${preload}?step=${step}` };
  const daemon = await startMesh(peer.host, peer.home, ["up"], env);
  const state = () =>
    peer.local.status().then(
      (status) => status.state,
      () => undefined,
    );
  await eventually("it runs, or is gone", async () => !daemon.isRunning || (await state()) === "running", {
    timeoutMs: 30_000,
    intervalMs: 20,
  });
  if (daemon.isRunning) await peer.local.down().catch(() => undefined);
  const wasKilled = (await daemon.exited) === 137;
  if (!wasKilled && (await daemon.exited) !== 0) throw new Error(`the daemon failed\n${daemon.tail()}`);
  return { wasKilled, steps: Number(/host steps: (\d+)/.exec(daemon.stderr)?.[1] ?? Number.NaN) };
}

/** How many steps its daemon takes at which it may be killed. */
export async function countSteps(peer: StoppedPeer): Promise<number> {
  const { wasKilled, steps } = await liveUntil(peer, 0);
  expect(wasKilled).toBe(false);
  return steps;
}

/** Kills its daemon at the step; by `mesh undo`, or by a start and `mesh down`, the host is what it was before. */
export async function killedAt(peer: StoppedPeer, step: number, by: "undo" | "start", before: object): Promise<void> {
  const { wasKilled } = await liveUntil(peer, step);
  // The number of steps is not always the same.
  if (wasKilled && by === "undo") {
    const { status, stderr } = await runMesh(peer.host, peer.home, "undo");
    expect([step, status, stderr]).toEqual([step, 0, ""]);
  } else if (wasKilled) {
    const next = await MeshPeer.up(peer);
    await next.mesh("down");
    await next.process.exited;
  }
  expect({ step, by, ...(await hostState(peer.host)) }).toEqual({ step, by, ...before });
  expect(existsSync(`${peer.host.scratchDirectory}/etc/resolv.conf.mesh-new`)).toBe(false);
}
